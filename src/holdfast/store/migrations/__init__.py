"""The database's shape over time: one file a step, applied in order at the start."""
