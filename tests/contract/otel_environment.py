"""An interpreter with OpenTelemetry's SDK and the instrumentations of others, beside ``.venv``; made once, then reused.

They pin libraries that the development set pins otherwise. ``python tests/contract/otel_environment.py`` makes it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[2] / ".venv-opentelemetry"
PACKAGES: Final = (
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-exporter-otlp-proto-http==1.45.2",
    "opentelemetry-instrumentation-openai==0.62.4",
    "opentelemetry-instrumentation-openai-v2==2.3b0",
    "openinference-instrumentation-openai==0.1.66",
    "openai==3.54.0",
    "httpx==0.28.1",
    "wrapt<2",
    "langsmith==0.15.0",
)


def otel_python() -> Path:
    """The interpreter; makes the environment when it is missing or outdated. Needs the network only then."""
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / f".{hashlib.sha256(' '.join(PACKAGES).encode()).hexdigest()[:16]}"
    if not (stamp.exists() and python.exists()):
        print(f"installing instrumentations into {FOLDER.name}, once", file=sys.stderr)  # noqa: T201 -- it takes time
        _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
        stamp.touch()
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"cannot prepare the instrumentations, {' '.join(command)} said:\n{done.stdout}{done.stderr}"
        )


if __name__ == "__main__":
    print(otel_python())  # noqa: T201 -- the result of the program
