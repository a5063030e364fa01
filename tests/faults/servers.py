"""Starts the server with faults, see ``faulty_server``."""

from __future__ import annotations

from pathlib import Path

from contract.server_process import ServerProcess
from faults import faulty_server


def start_faulty(data: Path, *arguments: str, **variables: str) -> ServerProcess:
    """A server on ``data`` with the fault that ``variables`` name."""
    return ServerProcess(data, *arguments, program=(faulty_server.__file__ or "",), variables=variables)
