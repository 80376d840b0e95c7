"""What every room may lean on: time, money, errors, locks, claims, nudges, commands."""
