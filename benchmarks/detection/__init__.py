"""How much of what is planted is found, and what is found where nothing is: seeds drawn at run time.

    python -m benchmarks.detection --out docs/detection.md

`--help` lists the parts. Every part uses the rules as they are shipped, with their default thresholds.
"""
