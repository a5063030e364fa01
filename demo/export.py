"""Two files out of the store: one flat line for each trace with the tools it used, and every run as JSON lines."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from uuid import UUID

from langsmith import Client
from langsmith.schemas import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """One trace, flat. ``tools`` names each tool once, in order of first use; cost is in dollars, where known."""

    trace_id: str
    name: str
    started: str
    seconds: float | None
    status: str
    tools: str
    llm_calls: int
    tokens: int
    cost: float | None
    feedback: str
    question: str


def flat_traces(client: Client, project: str) -> list[TraceLine]:
    """Every root of the project with what its tree did; two queries in all."""
    below: dict[UUID, list[Run]] = defaultdict(list)
    for run in client.list_runs(
        project_name=project,
        is_root=False,
        order="asc",
        select=["trace_id", "name", "run_type", "total_tokens", "total_cost"],
    ):
        below[run.trace_id].append(run)
    roots = client.list_runs(project_name=project, is_root=True, order="asc")
    return [_flatten(root, below[root.id]) for root in roots]


def _flatten(root: Run, below: Sequence[Run]) -> TraceLine:
    calls = [run for run in below if run.run_type == "llm"]
    costs = [float(run.total_cost) for run in calls if run.total_cost is not None]
    return TraceLine(
        trace_id=str(root.id),
        name=root.name,
        started=root.start_time.isoformat(timespec="seconds"),
        seconds=root.latency,
        status=root.status or "",
        tools=", ".join(dict.fromkeys(run.name for run in below if run.run_type == "tool")),
        llm_calls=len(calls),
        tokens=sum(run.total_tokens or 0 for run in calls),
        cost=sum(costs) if costs else None,
        feedback=", ".join(f"{key}={stats['avg']:g}" for key, stats in sorted((root.feedback_stats or {}).items())),
        question=str((root.inputs or {}).get("question", "")),
    )


def write_csv(lines: Sequence[TraceLine], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [column.name for column in fields(TraceLine)])
        writer.writeheader()
        writer.writerows(asdict(line) for line in lines)


def pull_runs(client: Client, project: str, path: Path) -> int:
    """Every run of the project, payloads included, one JSON object a line; the number of lines."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for run in client.list_runs(project_name=project, order="asc"):
            file.write(run.model_dump_json(exclude={"child_runs", "attachments"}) + "\n")
            count += 1
    return count


def count_lines(path: Path) -> int:
    """The lines of a file that read as JSON objects with an id."""
    with path.open(encoding="utf-8") as file:
        return sum("id" in json.loads(line) for line in file)
