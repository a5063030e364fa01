"""Trying one client against a live server: its script in a process of its own, and the verdicts it printed."""

from __future__ import annotations

import os
import subprocess
import tempfile
import uuid
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from compat.clients import Client
from compat.environments import command, prepare

TESTS: Final = Path(__file__).resolve().parents[1]
SCRIPT_TIMEOUT_S: Final = 300


class Outcome(StrEnum):
    """What came of a feature."""

    PASSED = "passed"
    FAILED = "failed"
    ABSENT = "absent"


class Verdict(msgspec.Struct, frozen=True):
    """``said`` is the traceback of a failure, or what the client lacks."""

    outcome: Outcome
    said: str | None


@dataclass(frozen=True, slots=True)
class Trial:
    """A client and its verdicts by feature, in the order of its script."""

    client: Client
    verdicts: dict[str, Verdict]

    def surprises(self) -> list[str]:
        """What is not as ``clients`` says: failures without a reason, and reasons without a failure."""
        misses = self.client.misses
        return [
            f"{title}: {verdict.said or 'works, though it is listed as a miss'}"
            for title, verdict in self.verdicts.items()
            if verdict.outcome is not Outcome.ABSENT and (verdict.outcome is Outcome.FAILED) != (title in misses)
        ] + [f"{title} is listed as a miss and not tried" for title in misses if title not in self.verdicts]


def run_trial(client: Client, url: str) -> Trial:
    """Install the client where needed, run its script in a project of its own, read what it printed."""
    folder = prepare(client)
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            command(client, folder),
            env=_environment(url, f"{client.key} {uuid.uuid4().hex[:8]}", folder, home),
            capture_output=True,
            text=True,
            timeout=SCRIPT_TIMEOUT_S,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"the script for {client.key} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    last_line = done.stdout.strip().splitlines()[-1]
    return Trial(client, msgspec.json.decode(last_line, type=dict[str, Verdict]))


def _environment(url: str, project: str, folder: Path, home: str) -> dict[str, str]:
    """Nothing of ours but PATH, so that a developer's own account is never touched."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "TZ": "UTC",
        "PYTHONPATH": str(TESTS),
        "COMPAT_MODULES": str(folder),
        "LANGSMITH_ENDPOINT": url,
        "LANGSMITH_API_KEY": "any",
        "LANGSMITH_PROJECT": project,
        "LANGSMITH_TRACING": "true",
    }
