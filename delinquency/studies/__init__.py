"""What a policy version would have done, and what it will do: computed chunk by chunk, written to a study alone."""
