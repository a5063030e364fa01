"""What the traced program made, as the program itself knows it: the yardstick for what the queries find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from langsmith import Client, RunTree

from demo.answers import Thread

_WORD = re.compile(r"\w+")


@dataclass(slots=True, kw_only=True)
class MadeRun:
    """One run of the program. ``scores`` are the feedback it was given, by key; ``root`` is the root of its trace."""

    tree: RunTree
    root: RunTree
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> UUID:
        return self.tree.id

    @property
    def name(self) -> str:
        return self.tree.name

    @property
    def kind(self) -> str:
        return self.tree.run_type

    @property
    def is_root(self) -> bool:
        return self.tree is self.root

    @property
    def failed(self) -> bool:
        return self.tree.error is not None

    @property
    def metadata(self) -> dict[str, Any]:
        return dict(self.tree.extra.get("metadata") or {})

    @property
    def tags(self) -> list[str]:
        return self.tree.tags or []

    @property
    def seconds(self) -> float | None:
        end = self.tree.end_time
        return None if end is None else (_aware(end) - _aware(self.tree.start_time)).total_seconds()

    @property
    def age_hours(self) -> float:
        return (datetime.now(UTC) - _aware(self.tree.start_time)).total_seconds() / 3600

    @property
    def tokens(self) -> int:
        usage = (self.tree.outputs or {}).get("usage_metadata")
        return usage["total_tokens"] if usage else 0

    def says(self, *words: str) -> bool:
        """Whether every word is one of the run's texts, ignoring case."""
        texts = [self.tree.inputs, self.tree.outputs, self.tree.error, self.name, self.tags, self.metadata]
        said = {word.lower() for text in _strings(texts) for word in _WORD.findall(text)}
        return said.issuperset(word.lower() for word in words)


def _aware(time: datetime) -> datetime:
    """The SDK mixes zone-less UTC times with aware ones."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _strings(item)
        case list() | tuple():
            for item in value:
                yield from _strings(item)


def runs_of(trees: Sequence[RunTree]) -> list[MadeRun]:
    """Every run of ``trees``, oldest first."""
    made = [MadeRun(tree=tree, root=root) for root in trees for tree in _walk(root)]
    return sorted(made, key=lambda run: _aware(run.tree.start_time))


def _walk(tree: RunTree) -> Iterator[RunTree]:
    yield tree
    for child in tree.child_runs:
        yield from _walk(child)


def give_feedback(client: Client, project: str, runs: Sequence[MadeRun], threads: Sequence[Thread]) -> None:
    """The customers' thumbs on the roots, stars on what the extractor found, a reviewer's verdict on both reports."""
    session_id = client.read_project(project_name=project).id
    turns = {turn.question: turn for thread in threads for turn in thread.turns}

    def judge(run: MadeRun, key: str, score: float | None) -> None:
        if score is None:
            return
        client.create_feedback(
            run_id=run.id, trace_id=run.root.id, key=key, score=score, session_id=session_id, comment="from the demo"
        )
        run.scores[key] = score

    for run in runs:
        turn = turns.get((run.root.inputs or {}).get("question", ""))
        if run.name == "SupportAgent" and turn is not None:
            judge(run, "user_score", turn.score)
        elif run.name == "extractor" and turn is not None:
            judge(run, "star_rating", turn.stars)
        elif run.name == "NightlyReport":
            judge(run, "Correctness", 0.0 if "experimental" in run.tags else 1.0)
