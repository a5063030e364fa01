"""Who a worker is: a name that tells whether its process is still there, so that a restart need not wait for leases."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path


def new_owner() -> str:
    """A name for a worker of this process: machine, process, the moment the process began, and a nonce."""
    return f"{_machine()}/{os.getpid()}/{_began(os.getpid())}/{secrets.token_hex(4)}"


def is_gone(owner: str) -> bool:
    """Whether the owner was a process of this machine that has ended. False where that cannot be known."""
    machine, pid, began, _ = (*owner.split("/"), "", "", "")[:4]
    if machine != _machine() or not pid.isdigit() or not began:
        return False
    return _began(int(pid)) != began


def _machine() -> str:
    """Host name and boot, where the system tells; containers that share a host have names of their own."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}-{boot.read_text(encoding='ascii').strip()[:8] if boot.exists() else ''}"


def _began(pid: int) -> str:
    """The start of a process in ticks since boot; empty when there is no such process or the system has no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "" if Path("/proc/self/stat").exists() else "?"
    # The second field is the command in parentheses and may hold anything; the start is the 20th field behind it.
    return text.rpartition(")")[2].split()[19]
