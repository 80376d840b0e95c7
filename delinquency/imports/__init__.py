"""CSV files in (contract section 7): all or nothing, every bad row named, the same file twice is once."""
