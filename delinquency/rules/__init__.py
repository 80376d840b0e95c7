"""Pure policy: dates and amounts in, decisions out. No database, no clock."""
