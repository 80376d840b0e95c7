"""Measurements of the program as it runs, on a database made for them (contract section 6)."""
