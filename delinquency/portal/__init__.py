"""The walled garden: why service is limited, and how it comes back."""
