"""Find whatever a clerk types: accounts first, and all that has a number of its own (U04)."""
