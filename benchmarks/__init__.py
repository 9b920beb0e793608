"""What flowkit promises about speed and memory, measured beside others on the same files: `python -m benchmarks`."""
