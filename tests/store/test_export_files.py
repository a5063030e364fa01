"""Attachments and large payloads as files beside the data: named safely, whole or not at all, and proved by verify."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import duckdb
import pytest

from runlake.errors import InvalidError
from runlake.export.local_directory import LocalDirectory
from runlake.export.manifest import Manifest
from runlake.export.run_files import MAX_NAME_CHARS, safe_name
from runlake.export.source import ExportSource
from runlake.export.verify import Verifier
from runlake.model.attachments import Attachment
from runlake.model.export import DAY_US
from runlake.model.export_destination import LocalPlace
from runlake.model.project import Project
from runlake.model.run import RunField, RunWrite, WriteKind
from store.export_harness import NOW_US, ExportBench, open_bench
from store.harness import run_id
from store.object_harness import ObjectHarness, open_object_store

START_US = NOW_US // DAY_US * DAY_US - DAY_US + 3_600_000_000
LARGE = json.dumps({"text": "x" * 500}).encode()
PICTURE = Attachment("picture of you.png", "image/png", b"\x89PNG" + bytes(300))
EVIL = Attachment("../../../etc/part-00000.parquet", "text/plain", b"not a data file")
BIG = Attachment("video.mp4", "video/mp4", bytes(range(256)) * 40_000)


class Filled:
    """A store with runs that have files, and workers that export it."""

    def __init__(self, bench: ExportBench, store: ObjectHarness) -> None:
        self.bench, self.store = bench, store
        self.project_id = uuid5(bench.tenant_id, "p")
        bench.ledger.create_project(
            Project(tenant_id=bench.tenant_id, id=self.project_id, name="files", start_time=NOW_US)
        )

    def write(self, number: int, *files: Attachment, inputs: bytes = b'{"q":1}') -> None:
        fields: dict[RunField, Any] = {
            RunField.NAME: f"run {number}",
            RunField.RUN_TYPE: "chain",
            RunField.START_TIME: START_US + number,
            RunField.END_TIME: START_US + number + 1_000,
            RunField.INPUTS: inputs,
        }
        run = RunWrite(kind=WriteKind.CREATE, run_id=run_id(number), fields=fields, session_name="p", attachments=files)
        self.store.write(run, tenant_id=self.bench.tenant_id)

    def export(self, **body: Any) -> Path:
        export_id = self.start(**body)
        assert self.bench.wait(export_id) == "Completed"
        return self.folder(export_id)

    def start(self, **body: Any) -> UUID:
        return self.bench.export(days=1, **{"session_id": str(self.project_id)} | body)

    def folder(self, export_id: UUID) -> Path:
        return self.bench.folder / f"export_id={export_id}"


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with open_bench(tmp_path / "bench") as bench, open_object_store(tmp_path / "store") as store:
        opened = Filled(bench, store)
        source = ExportSource(
            engine=store.store.engine,
            moments=store.store.moments,
            live_projects=bench.ledger.live_project_ids,
            objects=store.objects,
        )
        bench.service = replace(bench.service, reader=source)
        bench.workers(source)  # type: ignore[arg-type]  # the real reader
        opened.write(1, PICTURE, EVIL, inputs=LARGE)
        opened.write(2)
        opened.write(3, BIG)
        yield opened


def rows_of(folder: Path, ending: str = "parquet") -> dict[str, dict[str, Any]]:
    read = {"parquet": "read_parquet", "jsonl": "read_json"}[ending]
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT name, inputs, files FROM {read}('{folder}/**/*.{ending}')")
        names = [column[0] for column in found.description or ()]
        return {row[0]: dict(zip(names, row, strict=True)) for row in found.fetchall()}


def files_of(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {file["name"]: file for file in json.loads(row["files"] or "[]")}


def problems(folder: Path) -> list[str]:
    storage = LocalDirectory(LocalPlace(path=str(folder)), (folder,))
    return Verifier(storage=storage).verify().problems


def test_every_file_is_there_byte_for_byte_and_the_rows_say_where(filled: Filled) -> None:
    folder = filled.export(include_files=["attachment", "payload"])
    rows = rows_of(folder)
    assert {name: sorted(files_of(row)) for name, row in rows.items()} == {
        "run 1": sorted(["inputs", PICTURE.name, EVIL.name]),
        "run 2": [],
        "run 3": [BIG.name],
    }
    wanted = {"inputs": LARGE, PICTURE.name: PICTURE.data, EVIL.name: EVIL.data, BIG.name: BIG.data}
    for name, file in (item for row in rows.values() for item in files_of(row).items()):
        content = (folder / file["path"]).read_bytes()
        assert content == wanted[name]
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert rows["run 1"]["inputs"] is None, "a payload that is a file is not in its row too"
    assert json.loads(rows["run 2"]["inputs"]) == {"q": 1}
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (manifest["parts"][0]["run_files"], manifest["include_files"]) == (4, ["attachment", "payload"])
    assert manifest["bytes"] == sum(path.stat().st_size for path in folder.rglob("*/*") if path.is_file())
    assert problems(folder) == []


def test_no_name_leads_out_of_its_folder_or_looks_like_data(filled: Filled) -> None:
    folder = filled.export(include_files=["attachment"])
    (path,) = (Path(file["path"]) for file in files_of(rows_of(folder)["run 1"]).values() if file["name"] == EVIL.name)
    assert ".." not in path.parts
    assert path.parts[2:4] == ("files", "year=2026")
    assert path.suffix == ".file"
    assert [found.name for found in folder.rglob("*.parquet")] == ["part-00000.parquet"]


def test_only_what_was_asked_for_becomes_a_file(filled: Filled) -> None:
    row = rows_of(filled.export(include_files=["attachment"]))["run 1"]
    assert json.loads(row["inputs"]) == json.loads(LARGE)
    assert sorted(files_of(row)) == sorted([PICTURE.name, EVIL.name])
    folder = filled.export(include_files=["payload"], export_fields=["name", "inputs"])
    row = rows_of(folder)["run 1"]
    assert [name for name, file in files_of(row).items() if file["path"] is not None] == ["inputs"]
    assert problems(folder) == []


@pytest.mark.parametrize("format_", ["JSONL", "Arrow", "CSV"])
def test_verify_reads_the_files_of_every_form(filled: Filled, format_: str) -> None:
    folder = filled.export(include_files=["attachment", "payload"], format=format_, compression="none")
    assert problems(folder) == []
    next(folder.rglob("*-video.mp4")).write_bytes(b"cut")
    (problem,) = problems(folder)
    assert "video.mp4 is not what was written" in problem


def gone(folder: Path) -> None:
    next(folder.rglob("*.png")).unlink()


def changed(folder: Path) -> None:
    path = next(folder.rglob("*.png"))
    path.write_bytes(path.read_bytes()[:-1] + b"\1")


def added(folder: Path) -> None:
    next(folder.rglob("*.png")).with_name("more.png").write_bytes(b"1")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [(gone, "cannot be read"), (changed, "is not what was written"), (added, "does not belong to the export")],
)
def test_damage_to_a_file_is_named(filled: Filled, damage: Callable[[Path], None], problem: str) -> None:
    folder = filled.export(include_files=["attachment"])
    damage(folder)
    (found,) = problems(folder)
    assert problem in found


def test_a_day_that_lost_an_object_is_tried_again_and_leaves_nothing_of_the_first_attempt(filled: Filled) -> None:
    (kept,) = (path for path in filled.store.folder.rglob("*") if path.name == hashlib.sha256(BIG.data[:]).hexdigest())
    hidden = kept.with_name("hidden")
    kept.rename(hidden)
    export_id = filled.start(include_files=["attachment"])
    leftover = filled.folder(export_id) / "left"

    def failed_once() -> bool:
        (run,) = filled.bench.service.list_runs(filled.bench.tenant_id, export_id)
        return bool(run.errors)

    from store.export_harness import until  # noqa: PLC0415 -- one use

    until(failed_once)
    folder = filled.folder(export_id)
    picture = next(folder.rglob("*.png"))
    assert not list(folder.rglob("*.parquet")), "rows never name a file that is not there"
    leftover = picture.with_name("0123456789abcdef-of-an-earlier-attempt.png")
    leftover.write_bytes(b"old")
    hidden.rename(kept)
    assert filled.bench.wait(export_id) == "Completed"
    assert not leftover.exists()
    assert problems(folder) == []


def test_a_file_that_vanished_before_the_manifest_makes_its_day_be_done_again(filled: Filled) -> None:
    from runlake.export.manifest import differing_runs  # noqa: PLC0415 -- one use

    export_id = filled.start(include_files=["attachment"])
    assert filled.bench.wait(export_id) == "Completed"
    ledger = filled.bench.service.ledger
    export = ledger.read_export(filled.bench.tenant_id, export_id)
    runs = ledger.list_runs(filled.bench.tenant_id, export_id)
    storage = LocalDirectory(LocalPlace(path=str(filled.bench.folder)), (filled.bench.folder,))
    assert differing_runs(export, runs, storage) == []
    next(filled.folder(export_id).rglob("*.png")).unlink()
    assert [run.project_id for run in differing_runs(export, runs, storage)] == [filled.project_id]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"include_files": ["attachments"]}, "must be one of attachment, payload"),
        ({"include_files": "attachment"}, "must be a list"),
        ({"include_files": ["attachment"], "content": "feedback"}, "feedback have no files"),
        ({"include_files": ["payload"], "content": "flattened"}, "flattened have no files"),
    ],
)
def test_what_cannot_have_files_is_refused(filled: Filled, body: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidError, match=problem) as raised:
        filled.start(**body)
    assert raised.value.field == "include_files"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.png", "a.png"),
        ("a b/ü.png", "a_b_.png"),
        ("..", "file"),
        ("", "file"),
        (".hidden", "hidden"),
        ("x" * 300 + ".jpeg", "x" * (MAX_NAME_CHARS - 5) + ".jpeg"),
        ("x" * 300, "x" * MAX_NAME_CHARS),
        ("table.PARQUET", "table.PARQUET.file"),
        ("日本", "_"),
    ],
)
def test_names_are_safe_everywhere(name: str, safe: str) -> None:
    assert safe_name(name, ".parquet") == safe


def test_a_manifest_of_an_earlier_release_is_read(filled: Filled) -> None:
    import msgspec  # noqa: PLC0415 -- one use

    folder = filled.export()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    del manifest["include_files"]
    for part in manifest["parts"]:
        del part["run_files"], part["run_files_bytes"]
    assert msgspec.json.decode(json.dumps(manifest).encode(), type=Manifest).include_files == ()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert problems(folder) == []
