"""Usage by day and cycle, made of the readings that pass through the mirror. See ``docs/usage.md``."""
