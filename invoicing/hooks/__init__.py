"""What payment gateways call."""
