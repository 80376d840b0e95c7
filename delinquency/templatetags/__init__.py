"""What other rooms' pages show of an account's standing, by tag, so that no import points up."""
