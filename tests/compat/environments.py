"""A folder of its own for each client, below a folder that git ignores; made at its first use, then reused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from compat.clients import Client, Runtime

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / ".venv-compat"
INSTALL_TIMEOUT_S: Final = 900


def prepare(client: Client) -> Path:
    """The folder with the client in it. Needs the network when it is missing or holds other releases."""
    folder = FOLDER / client.key
    stamp, wanted = folder / "installed", "\n".join(client.requirements)
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return folder
    print(f"installing {wanted.splitlines()[0]}, once", file=sys.stderr)  # noqa: T201 -- it takes time
    match client.runtime:
        case Runtime.PYTHON:
            _install_python(folder, client)
        case Runtime.NODE:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "package.json").write_text("{}", "utf-8")
            _run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *client.requirements)
    stamp.write_text(wanted, "utf-8")
    return folder


def command(client: Client, folder: Path) -> list[str]:
    """What runs the client's script."""
    match client.runtime:
        case Runtime.PYTHON:
            return [str(folder / "bin" / "python"), "-m", f"compat.scripts.{client.script}"]
        case Runtime.NODE:
            return ["node", str(Path(__file__).parent / "scripts" / client.script)]


def _install_python(folder: Path, client: Client) -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    options = ["--ignore-requires-python"] if client.ignores_python_version else []
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, *options, *client.requirements)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S)
    if done.returncode != 0:
        raise RuntimeError(f"cannot prepare a client, {' '.join(words)} said:\n{done.stdout}{done.stderr}")
