"""The command line: one module a subject; ``program`` puts them together. Thin: prints what services return."""

from runlake.cli.program import app, main

__all__ = ["app", "main"]
