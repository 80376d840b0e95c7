"""The evidence pack of one account: everything that was done and why, as PDF and JSON, for a dispute or a court."""
