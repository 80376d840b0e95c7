"""Pure rules about money: no database, no clock."""
