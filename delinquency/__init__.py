"""Policy, cases and tickets: who is late, what should happen, and why."""
