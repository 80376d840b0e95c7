"""What stands above every list of the back office, by tag."""
