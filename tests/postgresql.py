"""A real PostgreSQL for tests: `bench.postgresql`."""

from bench.postgresql import MissingError, Server, in_memory, programs, running_server

__all__ = ["MissingError", "Server", "in_memory", "programs", "running_server"]
