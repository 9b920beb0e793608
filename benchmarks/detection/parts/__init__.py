"""The parts of the benchmark. Each has `jobs`, `run` (one job, in any process) and `report` (tables, misses)."""
