"""Pure rules of the accounts room: no database, no clock."""
