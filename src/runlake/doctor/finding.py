"""What an examination finds."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import msgspec


class Severity(Enum):
    """``WARNING`` wants attention, ``ERROR`` endangers data or keeps the server from working."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One result of one check; ``cause`` and ``cure`` are there when something is wrong."""

    check: str
    severity: Severity
    says: str
    cause: str | None = None
    cure: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found, as ``--json`` prints it."""

    data: str
    in_use: bool
    findings: list[Finding]

    @property
    def exit_status(self) -> int:
        """0 when all is well, 1 with warnings, 2 with errors."""
        severities = {finding.severity for finding in self.findings}
        if Severity.ERROR in severities:
            return 2
        return 1 if Severity.WARNING in severities else 0


def well(check: str, says: str) -> Finding:
    return Finding(check=check, severity=Severity.OK, says=says)


def note(check: str, says: str, *, cause: str | None = None, cure: str | None = None) -> Finding:
    return Finding(check=check, severity=Severity.NOTE, says=says, cause=cause, cure=cure)


def warning(check: str, says: str, *, cause: str, cure: str) -> Finding:
    return Finding(check=check, severity=Severity.WARNING, says=says, cause=cause, cure=cure)


def error(check: str, says: str, *, cause: str, cure: str) -> Finding:
    return Finding(check=check, severity=Severity.ERROR, says=says, cause=cause, cure=cure)


def or_well(check: str, findings: Iterable[Finding], says: str) -> list[Finding]:
    """The findings, or that all is well when there are none."""
    return list(findings) or [well(check, says)]
