"""The demo operator: a small town in every stage, made by the real sweeps from a fixed seed."""
