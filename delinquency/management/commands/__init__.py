"""The commands of the outer face."""
