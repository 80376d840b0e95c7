"""What each line should be on the network, and what the devices say it is. Never why."""
