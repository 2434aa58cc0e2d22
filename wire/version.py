"""The version of both programs, of the wheel and of every package made from it."""

VERSION = "0.1.0"
