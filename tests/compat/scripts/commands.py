"""Running a client that is a command line, and reading what it prints."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

TIMEOUT_S = 60


class CommandLine:
    """A program by its leading arguments; ``home`` keeps its settings away from the user's."""

    def __init__(self, *program: str, home: str) -> None:
        self._program = program
        self._environment = dict(os.environ) | {"HOME": home, "COLUMNS": "200", "NO_COLOR": "1"}

    def run(self, *arguments: str) -> str:
        """Standard output; an assertion error with everything said when it ends with another status than 0."""
        done = subprocess.run(
            [*self._program, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Standard output as JSON."""
        text = self.run(*arguments)
        try:
            return json.loads(text)
        except ValueError as error:
            raise AssertionError(f"{' '.join(arguments)} printed no JSON: {text[:500]}") from error
