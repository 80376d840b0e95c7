"""Commands of the network room."""
