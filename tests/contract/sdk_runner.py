"""Runs a scenario under one of the SDK releases against a live server and reads its facts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pytest

from contract.older_sdk import older_python

TESTS: Final = Path(__file__).resolve().parents[1]
SCENARIO_TIMEOUT_S: Final = 60


class Sdk(StrEnum):
    """The releases that the scenarios run under."""

    CURRENT = "current"
    OLDER = "older"

    @property
    def python(self) -> Path:
        return Path(sys.executable) if self is Sdk.CURRENT else older_python()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a scenario printed: facts by step. ``complaints`` is its standard error, where the SDK logs failures."""

    sdk: Sdk
    project: str
    results: Mapping[str, Mapping[str, Any]]
    complaints: str

    def __getitem__(self, step: str) -> Any:
        """The facts of a step; fails the test with the scenario's own traceback when it has none."""
        result = self.results[step]
        if "failed" in result:
            pytest.fail(f"{step} under the {self.sdk} SDK:\n{result['failed']}\n{self.complaints}", pytrace=False)
        return result["ok"]


def run_scenario(name: str, sdk: Sdk, base_url: str, *, settings: Mapping[str, str] | None = None) -> Outcome:
    """Run ``contract.scenarios.<name>`` in a process of its own, in a project of its own.

    ``settings`` are further environment variables. The process sees none of ours but PATH, so a developer's own
    LangSmith account is never touched.
    """
    project = f"{name} {sdk} {uuid.uuid4().hex[:8]}"
    done = subprocess.run(
        [sdk.python, "-m", f"contract.scenarios.{name}"],
        env=_environment(base_url, project) | dict(settings or {}),
        capture_output=True,
        text=True,
        timeout=SCENARIO_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(
            f"the scenario {name} under the {sdk} SDK ended with {done.returncode}:\n{done.stderr}", pytrace=False
        )
    return Outcome(sdk=sdk, project=project, results=json.loads(done.stdout), complaints=done.stderr)


def _environment(base_url: str, project: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TESTS),
        "TZ": "UTC",
        "LANGSMITH_ENDPOINT": base_url,
        "LANGSMITH_API_KEY": "any",
        "LANGSMITH_PROJECT": project,
        "LANGSMITH_TRACING": "true",
    }
