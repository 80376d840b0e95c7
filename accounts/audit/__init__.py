"""The audit record: sealing it, checking whether it is whole, and telling it in words."""
