"""Speed and memory, measured: `python -m benchmarks`. Never a timed test; figures depend on the machine that gave them."""
