"""``verify`` finds every way in which an export can differ from what was written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runlake.errors import DestinationError, MalformedError
from runlake.export.content import ExportSelection
from runlake.export.local_directory import LocalDirectory
from runlake.export.manifest import Manifest, ManifestPart
from runlake.export.verify import StoredIds, Verification, Verifier
from runlake.model.export_destination import LocalPlace
from runlake.wire.times import parse_time
from store.export_harness import ExportBench, FakeReader, open_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ExportBench]:
    with open_bench(tmp_path / "data") as opened:
        opened.workers()
        yield opened


def exported(bench: ExportBench, **body: Any) -> Path:
    export_id = bench.export(days=2, **body)
    assert bench.wait(export_id) == "Completed"
    return bench.folder / f"export_id={export_id}"


def verified(folder: Path, stored_ids: StoredIds | None = None) -> Verification:
    storage = LocalDirectory(LocalPlace(path=str(folder)), (folder,))
    return Verifier(storage=storage, stored_ids=stored_ids).verify()


def stored(bench: ExportBench, reader: FakeReader, version: int = 1) -> StoredIds:
    """A store that has now what ``reader`` gives."""

    def read(manifest: Manifest, part: ManifestPart) -> Iterator[tuple[str, int]]:
        selection = ExportSelection(
            tenant_id=manifest.tenant_id,
            project_ids=(part.session_id,),
            start_us=parse_time(part.start_time),
            end_us=parse_time(part.end_time),
        )
        with reader.batches(selection) as batches:
            for batch in batches:
                for row_id in batch.column("id").to_pylist():
                    yield row_id, version

    return read


@pytest.mark.parametrize(
    ("format_", "compression"),
    [
        ("Parquet", "zstandard"),
        ("Parquet", "none"),
        ("Parquet", "snappy"),
        ("JSONL", "gzip"),
        ("JSONL", "zstandard"),
        ("JSONL", "none"),
        ("Arrow", "zstandard"),
        ("CSV", "gzip"),
    ],
)
def test_a_whole_export_is_whole_in_every_form(bench: ExportBench, format_: str, compression: str) -> None:
    folder = exported(bench, format=format_, compression=compression)
    found = verified(folder, stored(bench, bench.reader))
    assert found.problems == []
    assert (found.files, found.rows, found.compared) == (2, 48, 48)


def first_file(folder: Path) -> Path:
    return min(folder.rglob("part-*"))


def cut_file(folder: Path) -> None:
    path = first_file(folder)
    path.write_bytes(path.read_bytes()[:-7])


def flip_byte(folder: Path) -> None:
    path = first_file(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def add_file(folder: Path) -> None:
    path = first_file(folder)
    path.with_name("part-00009.jsonl.gz").write_bytes(path.read_bytes())


def change_manifest(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "manifest.json"
        manifest = json.loads(path.read_bytes())
        change(manifest)
        path.write_text(json.dumps(manifest))

    return apply


def more_rows(manifest: Any) -> None:
    manifest["rows"] += 1


def more_rows_in_file(manifest: Any) -> None:
    manifest["parts"][0]["files"][0]["rows"] += 1


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: first_file(folder).unlink(), "cannot be read"),
        (cut_file, "bytes, the manifest says"),
        (flip_byte, "is not what was written"),
        (add_file, "does not belong to the export"),
        (change_manifest(more_rows), "48 rows, the manifest says 49"),
        (change_manifest(more_rows_in_file), "24 rows, the manifest says 25"),
    ],
    ids=["file gone", "file cut", "byte flipped", "file added", "rows", "rows of a file"],
)
def test_damage_is_named(bench: ExportBench, damage: Callable[[Path], None], problem: str) -> None:
    folder = exported(bench, format="JSONL", compression="gzip")
    damage(folder)
    assert any(problem in item for item in verified(folder).problems)


def test_a_repeated_id_is_found_even_where_checksums_agree(bench: ExportBench) -> None:
    folder = exported(bench, format="JSONL", compression="gzip")
    path = first_file(folder)
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[1] = lines[0]
    path.write_bytes(gzip.compress(b"".join(lines)))

    def agree(manifest: Any) -> None:
        from hashlib import sha256  # noqa: PLC0415 -- one use

        entry = manifest["parts"][0]["files"][0]
        entry["sha256"], entry["bytes"] = sha256(path.read_bytes()).hexdigest(), path.stat().st_size

    change_manifest(agree)(folder)
    (problem,) = verified(folder).problems
    assert "1 rows have an id that another row has too" in problem


def test_rows_that_the_store_had_and_the_files_lack_are_found_and_later_ones_are_not_blamed(
    bench: ExportBench,
) -> None:
    folder = exported(bench)
    fuller = FakeReader(rows_per_day=48)
    missing = verified(folder, stored(bench, fuller, version=1))
    assert [item.split(": ")[1][:7] for item in missing.problems] == ["24 rows", "24 rows"]
    assert "in the store but not in the files" in missing.problems[0]
    later = verified(folder, stored(bench, fuller, version=2))
    assert (later.problems, later.newer) == ([], 48)


def test_rows_that_the_store_does_not_have_are_found(bench: ExportBench) -> None:
    folder = exported(bench)
    problems = verified(folder, stored(bench, FakeReader(rows_per_day=12))).problems
    assert len(problems) == 2
    assert "not, or no longer, in the store" in problems[0]


def test_a_folder_without_a_manifest_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match=r"manifest\.json"):
        verified(tmp_path)
    (tmp_path / "manifest.json").write_text("[1]")
    with pytest.raises(MalformedError, match="not a manifest"):
        verified(tmp_path)
