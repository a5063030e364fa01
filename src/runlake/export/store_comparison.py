"""What the store of a running server has for a part of an export, asked by straight pulls; ``verify`` compares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final

from runlake.errors import StoreUnavailableError
from runlake.export.manifest import Manifest, ManifestPart
from runlake.export.verify import ID_COLUMNS
from runlake.model.export import RunKind
from runlake.model.export_content import ContentKind
from runlake.server_client import ServerClient


@dataclass(frozen=True, slots=True)
class ServerComparison:
    """``StoredIds`` over HTTP."""

    server: ServerClient

    def __call__(self, manifest: Manifest, part: ManifestPart) -> Iterator[tuple[str, int]]:
        """(id, version from which on the row had to be exported) of every row that the server has now for the part."""
        key = ID_COLUMNS.get(ContentKind(manifest.content), "id")
        body = _selection(manifest, part)
        if part.kind != RunKind.CHANGES:
            for row in self._pull({**body, "fields": [key, "version"]}):
                yield row[key], row["version"]
            return
        since = manifest.changed_since or 0
        changed = {**body, "changed_since": since}
        if manifest.content not in (ContentKind.RUNS, ContentKind.TRACES):
            for row in self._pull({**changed, "fields": [key, "version"]}):
                yield row[key], _or_unknown(row["version"] if row["version"] > since else None)
            return
        yield from self._changed_runs(changed, since, by_trace=manifest.content == ContentKind.TRACES)

    def _changed_runs(self, body: Mapping[str, Any], since: int, *, by_trace: bool) -> Iterator[tuple[str, int]]:
        """A run is there because it, its feedback, or with whole traces that of a neighbour came after ``since``."""
        first: dict[str, int] = {}
        judged = {row["run_id"]: row["version"] for row in self._pull(_feedback_of(body))}
        rows = [
            (row["id"], row["trace_id"] if by_trace else row["id"], row["version"])
            for row in self._pull({**body, "fields": ["id", "trace_id", "version"]})
        ]
        for run_id, group, version in rows:
            for change in (version, judged.get(run_id)):
                if change is not None and change > since:
                    first[group] = min(change, first.get(group, change))
        for run_id, group, version in rows:
            yield run_id, max(version, _or_unknown(first.get(group)))

    def _pull(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """All rows of a straight pull; its last line says that it was all."""
        complete = False
        with (
            suppress(OSError, HTTPException),
            self.server.stream("/export/stream", {**body, "marks": True}) as response,
        ):
            for line in response:
                row = json.loads(line)
                if "_pull" in row:
                    complete = row["_pull"]["complete"]
                else:
                    yield row
        if not complete:
            raise StoreUnavailableError("the server ended its answer too early; verify again")


_UNKNOWN: Final = 2**63 - 1
"""Later than any export: what only a change explains that the store cannot date any more is held against no file."""


def _or_unknown(version: int | None) -> int:
    return _UNKNOWN if version is None else version


def _selection(manifest: Manifest, part: ManifestPart) -> dict[str, Any]:
    body = {
        "session": [str(part.session_id)],
        "start_time": part.start_time,
        "end_time": part.end_time,
        "filter": manifest.filter,
        "trace_filter": manifest.trace_filter,
        "tree_filter": manifest.tree_filter,
        "content": manifest.content,
    }
    return {name: value for name, value in body.items() if value is not None}


def _feedback_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Feedback on the runs of a window, of whole traces on those that match: the others' is not asked for."""
    return {**body, "content": ContentKind.FEEDBACK.value, "fields": ["run_id", "version"]}
