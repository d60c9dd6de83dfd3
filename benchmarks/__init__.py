"""Measurements: `python -m benchmarks` for all that take minutes, or one by name."""
