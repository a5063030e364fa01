"""The queries, each with what it has to find: arguments of ``list_runs`` beside a condition on the program's own runs.

The shapes are those of the SDK documentation's page on querying traces; names and values are the demo's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from langsmith import Client
from langsmith.schemas import Run

from demo.agent import RELEASE
from demo.made import MadeRun

Condition = Callable[[MadeRun], bool]
Order = Literal["newest first", "oldest first"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An argument that a reader should see as ``text``, though the call gets ``value``."""

    text: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One call. ``expect`` picks the runs it has to find; their order is checked too where ``order`` is given."""

    title: str
    arguments: dict[str, Any]
    expect: Condition
    order: Order | None = None

    @property
    def limit(self) -> int | None:
        limit: int | None = self.arguments.get("limit")
        return limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, and whether it is exactly what had to."""

    query: Query
    runs: tuple[Run, ...]
    missing: tuple[MadeRun, ...]
    unexpected: tuple[Run, ...]
    in_order: bool

    @property
    def right(self) -> bool:
        return not self.missing and not self.unexpected and self.in_order


def ask(client: Client, query: Query, made: Sequence[MadeRun]) -> Answer:
    """Send one query and compare."""
    arguments = {name: given.value if isinstance(given, Shown) else given for name, given in query.arguments.items()}
    runs = tuple(client.list_runs(**arguments))
    expected = [run for run in made if query.expect(run)]
    if query.order == "newest first":
        expected.reverse()
    if query.limit is not None:
        expected = expected[: query.limit]
    found = [run.id for run in runs]
    wanted = [run.id for run in expected]
    return Answer(
        query=query,
        runs=runs,
        missing=tuple(run for run in expected if run.id not in found),
        unexpected=tuple(
            run for position, run in enumerate(runs) if run.id not in wanted or run.id in found[:position]
        ),
        in_order=query.order is None or found == wanted,
    )


def _any_run(run: MadeRun) -> bool:
    return bool(run.id)


def _slower_than(seconds: float) -> Condition:
    return lambda run: run.seconds is not None and run.seconds > seconds


def _named(name: str) -> Condition:
    return lambda run: run.name == name


def _in_thread(identity: str) -> Condition:
    keys = ("session_id", "conversation_id", "thread_id")
    return lambda run: any(run.metadata.get(key) == identity for key in keys)


def _reads(run: MadeRun, key: str) -> Any:
    """An input by its key."""
    return (run.tree.inputs or {}).get(key)


def all_queries(project: str, made: Sequence[MadeRun]) -> list[Query]:
    """Every query of the demo over ``project``, in the order of telling."""
    builders = (
        _by_arguments,
        _by_thread,
        _by_feedback,
        _by_numbers_and_time,
        _by_text_and_tags,
        _by_metadata,
        _by_payload,
        _by_tree,
    )
    return [query for build in builders for query in build(project, made)]


def _by_arguments(project: str, made: Sequence[MadeRun]) -> Iterator[Query]:
    """Keyword arguments alone."""
    agent = next(run for run in made if run.name == "SupportAgent")
    failed = [run.id for run in made if run.failed]
    yesterday = Shown("datetime.now(UTC) - timedelta(days=1)", datetime.now(UTC) - timedelta(days=1))
    yield Query(title="All runs of a project", arguments={"project_name": project}, expect=_any_run)
    yield Query(
        title="Root runs, newest first",
        arguments={"project_name": project, "is_root": True},
        expect=lambda run: run.is_root,
        order="newest first",
    )
    yield Query(
        title="LLM runs of the last 24 hours",
        arguments={"project_name": project, "start_time": yesterday, "run_type": "llm"},
        expect=lambda run: run.kind == "llm" and run.age_hours < 24,
    )
    yield Query(
        title="Runs with an error",
        arguments={"project_name": project, "error": True},
        expect=lambda run: run.failed,
    )
    yield Query(
        title="Runs without an error",
        arguments={"project_name": project, "error": False},
        expect=lambda run: not run.failed,
    )
    yield Query(
        title="Runs by id, everything else ignored",
        arguments={"run_ids": Shown("[run.id for run in failed_runs]", failed)},
        expect=lambda run: run.failed,
    )
    yield Query(
        title="Children of a run",
        arguments={"project_name": project, "parent_run_id": Shown("turn.id", agent.id)},
        expect=lambda run: run.tree.parent_run_id == agent.id,
    )
    yield Query(
        title="A whole trace, oldest first",
        arguments={"trace_id": Shown("turn.trace_id", agent.root.id), "order": "asc"},
        expect=lambda run: run.root is agent.root,
        order="oldest first",
    )
    yield Query(
        title="The three newest runs, two fields of each",
        arguments={"project_name": project, "select": ["name", "outputs"], "limit": 3},
        expect=_any_run,
        order="newest first",
    )


def _by_thread(project: str, made: Sequence[MadeRun]) -> Iterator[Query]:
    """Turns of a thread, whichever of the three metadata keys its client uses."""
    del made
    for identity in ("chat-anna-7f3", "chat-bo-19c", "chat-cem-44d"):
        in_thread = _in_thread(identity)
        yield Query(
            title=f"Turns of thread {identity}",
            arguments={
                "project_name": project,
                "filter": 'and(in(metadata_key, ["session_id","conversation_id","thread_id"]), '
                f'eq(metadata_value, "{identity}"))',
                "is_root": True,
            },
            expect=lambda run, in_thread=in_thread: run.is_root and in_thread(run),  # type: ignore[misc]  # default
        )
    yield Query(
        title="The same by thread id",
        arguments={"project_name": project, "filter": 'eq(thread_id, "chat-bo-19c")', "is_root": True},
        expect=lambda run: run.is_root and run.metadata.get("thread_id") == "chat-bo-19c",
    )


def _by_feedback(project: str, made: Sequence[MadeRun]) -> Iterator[Query]:
    """Feedback on the run itself, and on the root of its trace."""
    scored = {run.id for run in made if run.scores.get("user_score") == 1}
    yield Query(
        title="Turns that got a thumbs up",
        arguments={"project_name": project, "filter": 'and(eq(feedback_key, "user_score"), eq(feedback_score, 1))'},
        expect=lambda run: run.scores.get("user_score") == 1,
    )
    yield Query(
        title="Star rating above four",
        arguments={"project_name": project, "filter": 'and(eq(feedback_key, "star_rating"), gt(feedback_score, 4))'},
        expect=lambda run: run.scores.get("star_rating", 0) > 4,
    )
    yield Query(
        title="Extractor runs whose root got a thumbs up",
        arguments={
            "project_name": project,
            "filter": 'eq(name, "extractor")',
            "trace_filter": 'and(eq(feedback_key, "user_score"), eq(feedback_score, 1))',
        },
        expect=lambda run: run.name == "extractor" and run.root.id in scored,
    )


def _by_numbers_and_time(project: str, made: Sequence[MadeRun]) -> Iterator[Query]:
    """Latency, tokens, cost, errors and times."""
    del made
    since = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def query(title: str, text: str, expect: Condition) -> Query:
        return Query(title=title, arguments={"project_name": project, "filter": text}, expect=expect)

    yield query("Slower than five seconds", 'gt(latency, "5s")', _slower_than(5))
    yield query("Slower than a minute, as a number", "gt(latency, 60)", _slower_than(60))
    yield query(
        "More than 5000 tokens",
        "and(eq(run_type, 'llm'), gt(total_tokens, 5000))",
        lambda run: run.kind == "llm" and run.tokens > 5000,
    )
    yield query("Error not null", "neq(error, null)", lambda run: run.failed)
    yield query("Still running", 'eq(status, "pending")', lambda run: run.tree.end_time is None)
    yield query("Started in the last hour", f'gt(start_time, "{since}")', lambda run: run.age_hours < 1)
    yield query(
        "Since an instant, failed or judged wrong",
        'and(gt(start_time, "2023-07-15T12:34:56Z"), or(neq(error, null), '
        'and(eq(feedback_key, "Correctness"), eq(feedback_score, 0.0))))',
        lambda run: run.failed or run.scores.get("Correctness") == 0,
    )


def _by_text_and_tags(project: str, made: Sequence[MadeRun]) -> Iterator[Query]:
    """Names, full text and tags; text in double and in single quotes."""
    del made

    def query(title: str, text: str, expect: Condition) -> Query:
        return Query(title=title, arguments={"project_name": project, "filter": text}, expect=expect)

    yield query("By name, double quotes", 'eq(name, "extractor")', _named("extractor"))
    yield query("By name, single quotes", "eq(name, 'extractor')", _named("extractor"))
    yield query("Full text", 'search("gloves")', lambda run: run.says("gloves"))
    yield query(
        "Full text, several words", 'search("image classification")', lambda run: run.says("image", "classification")
    )
    yield query("Full text beyond ASCII", 'search("größere")', lambda run: run.says("größere"))
    yield query("Tagged with a git hash", f'has(tags, "{RELEASE}")', lambda run: RELEASE in run.tags)
    yield query(
        "Experimental or beta, and slow",
        'and(or(has(tags, "experimental"), has(tags, "beta")), gt(latency, 60))',
        lambda run: bool({"experimental", "beta"} & set(run.tags)) and _slower_than(60)(run),
    )


def _by_metadata(project: str, made: Sequence[MadeRun]) -> Iterator[Query]:
    """Presence, value, and the four documented ways to say no."""
    del made
    key, thread = "conversation_id", "chat-cem-44d"

    def has_value(run: MadeRun, value: str) -> bool:
        return value in run.metadata.values()

    def query(title: str, text: str, expect: Condition) -> Query:
        return Query(
            title=title,
            arguments={"project_name": project, "filter": text, "is_root": True},
            expect=lambda run: run.is_root and expect(run),
        )

    yield query("Metadata key present", "eq(metadata_key, 'user_id')", lambda run: "user_id" in run.metadata)
    yield query(
        "Metadata value",
        "and(eq(metadata_key, 'environment'), eq(metadata_value, 'production'))",
        lambda run: run.metadata.get("environment") == "production",
    )
    yield query(
        "Two metadata values",
        "and(and(eq(metadata_key, 'user_id'), eq(metadata_value, 'anna')), "
        "and(eq(metadata_key, 'environment'), eq(metadata_value, 'production')))",
        lambda run: run.metadata.get("user_id") == "anna" and run.metadata.get("environment") == "production",
    )
    yield query("No such key", f"and(neq(metadata_key, '{key}'))", lambda run: key not in run.metadata)
    yield query(
        "The key with another value",
        "and(eq(metadata_key, 'environment'), neq(metadata_value, 'production'))",
        lambda run: run.metadata.get("environment", "production") != "production",
    )
    yield query(
        "Neither the key nor the value",
        f"and(neq(metadata_key, '{key}'), neq(metadata_value, 'production'))",
        lambda run: key not in run.metadata and not has_value(run, "production"),
    )
    yield query(
        "The value, but not under this key",
        f"and(neq(metadata_key, 'thread_id'), eq(metadata_value, '{thread}'))",
        lambda run: "thread_id" not in run.metadata and has_value(run, thread),
    )


def _by_payload(project: str, made: Sequence[MadeRun]) -> Iterator[Query]:
    """Values inside inputs and outputs, by their path."""
    del made

    def query(title: str, text: str, expect: Condition) -> Query:
        return Query(title=title, arguments={"project_name": project, "filter": text}, expect=expect)

    yield query(
        "Input value",
        'and(eq(input_key, "order"), eq(input_value, "9999"))',
        lambda run: _reads(run, "order") == "9999",
    )
    yield query(
        "Input path and pattern",
        'and(eq(run_type, "llm"), eq(input_key, "messages.content"), like(input_value, "%tracking number%"))',
        lambda run: any("tracking number" in message["content"] for message in _reads(run, "messages") or ()),
    )
    yield query(
        "Output value",
        "and(eq(output_key, 'order'), eq(output_value, '1017'))",
        lambda run: (run.tree.outputs or {}).get("order") == "1017",
    )


def _by_tree(project: str, made: Sequence[MadeRun]) -> Iterator[Query]:
    """Conditions on other runs of the trace."""
    refunding = {run.root.id for run in made if run.name == "refund_payment"}
    expanding = {run.root.id for run in made if run.name == "ExpandQuery"}
    yield Query(
        title="Turns in which the refund tool was called",
        arguments={
            "project_name": project,
            "is_root": True,
            "tree_filter": 'and(eq(run_type, "tool"), eq(name, "refund_payment"))',
        },
        expect=lambda run: run.is_root and run.id in refunding,
    )
    scored = {run.id for run in made if run.scores.get("user_score") == 1}
    yield Query(
        title="Retrievals with an expanded query, in traces with a thumbs up",
        arguments={
            "project_name": project,
            "filter": 'eq(name, "RetrieveDocs")',
            "trace_filter": 'and(eq(feedback_key, "user_score"), eq(feedback_score, 1))',
            "tree_filter": 'eq(name, "ExpandQuery")',
        },
        expect=lambda run: run.name == "RetrieveDocs" and run.root.id in scored & expanding,
    )
