"""An interpreter with an older SDK, in a virtual environment of its own beside ``.venv``; made once, then reused.

``python tests/contract/older_sdk.py`` makes it and prints its path.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".venv-langsmith-old"
OLDER_VERSION: Final = "0.4.60"
"""The last release of the 0.4 line: no v2 methods, no warnings, no project id with feedback."""


def older_python() -> Path:
    """The interpreter; makes the environment when it is missing or has another release. Needs the network only then."""
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / f".langsmith-{OLDER_VERSION}"
    if stamp.exists() and python.exists():
        return python
    print(f"installing langsmith {OLDER_VERSION} into {FOLDER.name}, once", file=sys.stderr)  # noqa: T201 -- it takes time
    _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(_pins_of_dependencies())
        pins.flush()
        _run(
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--constraint",
            pins.name,
            f"langsmith=={OLDER_VERSION}",
        )
    stamp.touch()
    return python


def _pins_of_dependencies() -> str:
    """Our constraints without the SDK's own line, so that both SDKs run on the same HTTP and JSON libraries."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("langsmith=="))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"cannot prepare the older SDK, {' '.join(command)} said:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    print(older_python())  # noqa: T201 -- the result of the program
