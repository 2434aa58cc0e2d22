"""The systems we measure ourselves against, and the devices that answer for the kiosks.

Each module runs in its peer's own virtual environment and is started by `bench.run`; none is imported by it.
"""
