"""Pure rules of the network room: no database, no clock, no device."""
