"""Programs that train real networks: `python -m examples.NAME --help` in a checkout."""
