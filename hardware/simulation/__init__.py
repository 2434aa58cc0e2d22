"""The bench that simulators run on: power, line, faults, ledger and control; it knows families by name only.

`simulator.Simulator` is the other end of a line, pure like a protocol: bytes, time and a person's hands in, bytes out.
`host` puts one on a wire of `wires` (a pty or a TCP port) and takes commands for it while it runs; `faults` spoils the
line between, `store` keeps its memory and ledger, `control` lets other processes put hands on it, `local` runs one in
this process for `sim://`, and `families` finds and builds one by name. A family's `simulator` module comes in, and
nothing that drives a device ever does.
"""
