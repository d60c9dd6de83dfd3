"""Measurements: `python -m benchmarks` for all of them, or one by name; README.md says how they are made."""
