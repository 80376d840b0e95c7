"""Ways to talk to network devices, behind one port."""
