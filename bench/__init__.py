"""Measurements side by side with named peers, on the same work and in one run.

`run.py` starts every system in processes of its own, pinned to cores, and prints rates, CPU, latencies, memory and
ratios; `load.py` is the load, `gateway.py` the kiosk's local HTTP service, `measure.py` reads /proc, `peers/` holds
the others. `stack.py` and `demo.py` start the real programs as a stranger would, for the demo, the measurements and
the journeys.

Nothing here is imported by the product, and nothing here asserts speed: the numbers are printed, a reader judges.
"""
