"""Real transactions on two connections at once, each with a control that must see the race."""
