"""A real Redis for tests: `bench.redis_server`."""

from bench.redis_server import (
    MissingError,
    Sentinel,
    Server,
    free_port,
    make_certificates,
    program,
    running_cluster,
    running_redis,
    running_sentinel,
)

__all__ = [
    "MissingError",
    "Sentinel",
    "Server",
    "free_port",
    "make_certificates",
    "program",
    "running_cluster",
    "running_redis",
    "running_sentinel",
]
