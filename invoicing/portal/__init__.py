"""See what is owed, pay it, get a receipt."""
