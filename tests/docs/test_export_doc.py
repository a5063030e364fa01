"""The pages on exports agree with the code, and what they show to copy does what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from contract.server_process import ServerProcess
from faults.seaweed import KEYS, SeaweedServer
from runlake.api.exports import EXPORT_HANDLERS
from runlake.model.export import EXPORT_TIMEOUT_US, HOUR_US, MAX_RETRIES, RUN_TIMEOUT_US, ExportStatus
from runlake.wire.export_destinations import CREDENTIAL_NAMES, read_destination_create
from runlake.wire.export_places import DestinationConfig
from runlake.wire.exports import (
    ExportBody,
    ExportCreate,
    ExportRunBody,
    ProgressBody,
    ResultBody,
    RunMetadataBody,
)

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "export.md").read_text(encoding="utf-8")
WIRE = (DOCS / "wire" / "exports.md").read_text(encoding="utf-8")


def test_every_route_is_on_the_page() -> None:
    for handler in EXPORT_HANDLERS:
        for path in handler.paths:  # type: ignore[union-attr]  # a route handler, not a controller
            shown = re.sub(r"\{\w+:str\}", "{id}", path)
            for method in handler.http_methods - {"OPTIONS"}:  # type: ignore[union-attr]  # as above
                assert f"`{method} {shown}`" in WIRE


@pytest.mark.parametrize(
    "names",
    [
        ExportCreate.__struct_fields__,
        ExportBody.__struct_fields__,
        ExportRunBody.__struct_fields__,
        RunMetadataBody.__struct_fields__,
        ResultBody.__struct_fields__,
        ProgressBody.__struct_fields__,
        DestinationConfig.__struct_fields__,
        tuple(ExportStatus),
        tuple(name for required, optional in CREDENTIAL_NAMES.values() for name in required | optional),
    ],
    ids=["create", "export", "run", "metadata", "result", "progress", "config", "statuses", "credentials"],
)
def test_every_member_is_named(names: tuple[str, ...]) -> None:
    assert {name for name in names if f"`{name}`" not in WIRE and f"`config.{name}`" not in WIRE} == set()


def test_the_example_is_a_destination() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", WIRE, re.DOTALL)
    assert read_destination_create(example.encode()).display_name == json.loads(example)["display_name"]


def test_the_numbers_of_the_guide_are_those_of_the_code() -> None:
    assert f"up to {MAX_RETRIES} times" in GUIDE
    assert f"over {RUN_TIMEOUT_US // HOUR_US} hours, an export over {EXPORT_TIMEOUT_US // HOUR_US}" in GUIDE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    data = tmp_path_factory.mktemp("export-doc") / "data"
    process = ServerProcess(data)
    run_id = str(uuid4())
    start = "2026-01-05T10:00:00"
    run = {
        "id": run_id,
        "trace_id": run_id,
        "dotted_order": f"20260105T100000000000Z{run_id}",
        "session_name": "my-agent",
        "name": "answer",
        "run_type": "llm",
        "start_time": start,
        "end_time": start,
    }
    httpx.post(f"{process.url}/runs/batch", json={"post": [run]}).raise_for_status()
    yield process.url, data
    process.stop()


def run_blocks(kind: str, server: tuple[str, Path], folder: Path, more: dict[str, str]) -> str:
    """Run every block of a kind in one shell, with ``runlake`` being the one under test."""
    script = folder / "runlake"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m runlake.cli "$@"\n')
    script.chmod(0o755)
    blocks = re.findall(rf"```{kind}\n(.*?)```", GUIDE, re.DOTALL)
    blocks = [block for block in blocks if "retry" not in block]
    assert blocks
    url, data = server
    environment = os.environ | {"LANGSMITH_ENDPOINT": url, "DATA": str(data), "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-euc", "\n".join(blocks)],
        capture_output=True,
        text=True,
        env=environment | more,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_the_commands_do_what_the_guide_says(server: tuple[str, Path], tmp_path: Path) -> None:
    said = run_blocks("bash", server, tmp_path, {})
    assert "complete: 1 rows in 1 files" in said
    assert "1 rows of the store compared, 0 of them came later: whole" in said
    paths = {path.parts[-5:] for path in (server[1] / "exports").rglob("*.parquet")}
    assert paths == {("runs", "year=2026", "month=1", "day=5", "part-00000.parquet")}


@pytest.mark.slow
def test_the_commands_about_buckets_do_what_the_guide_says(server: tuple[str, Path], tmp_path: Path) -> None:
    s3 = SeaweedServer(tmp_path / "weed")
    try:
        keys = {"AWS_ACCESS_KEY_ID": KEYS["access_key_id"], "AWS_SECRET_ACCESS_KEY": KEYS["secret_access_key"]}
        said = run_blocks("bash s3", server, tmp_path, {"AWS_ENDPOINT_URL": s3.url, **keys})
        assert "complete: 1 rows in 1 files; manifest lake-exports/traces/export_id=" in said
    finally:
        s3.kill()
