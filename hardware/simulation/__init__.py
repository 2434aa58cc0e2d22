"""The bench that simulators run on: power, line, faults, ledger and control; it knows no family.

`simulator.Simulator` is the other end of a line, pure like a protocol: bytes, time and a person's hands in, bytes out.
`host` puts one on a pty or a TCP port and takes commands for it while it runs; `faults` spoils the line between. A
family's `simulator` module comes in, and nothing that drives a device ever does.
"""
