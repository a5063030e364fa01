"""The examples of the hosted service's pages *Query traces* and *Trace query syntax*, and what each has to find.

The arguments are as documented upstream; names, ids and times are those of ``page_population``. Where the documentation
shows one example in several quotings, both are here. Plain data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contract.scenarios.page_population import KEYS, OTHER_THREAD, SEEDS, THREAD, USER

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What an example may refer to: the project, the id of each seed, and the time of seeding."""

    project: str
    ids: Mapping[str, str]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call of ``list_runs``. ``ordered``: ``expected`` is a sequence, else a set of keys of seeds."""

    name: str
    ask: Callable[[World], Arguments]
    expected: tuple[str, ...]
    ordered: bool = False


def _keys(chosen: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(chosen))


def _filtered(name: str, text: str, expected: Iterable[str], **more: Any) -> Case:
    """An example that names a project and a filter."""
    return Case(
        name=name,
        ask=lambda world: {"project_name": world.project, "filter": text, **more},
        expected=_keys(expected),
    )


def _plain(name: str, expected: Iterable[str], **arguments: Any) -> Case:
    """An example with keyword arguments alone."""
    return Case(name=name, ask=lambda world: {"project_name": world.project, **arguments}, expected=_keys(expected))


_ROOTS = frozenset(seed.key for seed in SEEDS if seed.parent is None)
_CALLS = frozenset(seed.key for seed in SEEDS if seed.run_type == "llm")
_FAILED = frozenset(("failed", "failed.charge", "ancient"))
_BEFORE_THE_INSTANT = frozenset(("ancient", "ancient.limit"))
_BY_AGE = tuple(
    seed.key for seed in sorted(SEEDS, key=lambda seed: seed.starts_at(datetime.now().astimezone()), reverse=True)
)
_WITH_CONVERSATION = frozenset(
    ("turn.conversation", "turn.conversation.step", "turn.other", "turn.renamed", "turn.crossed")
)
_WITH_THREAD_VALUE = frozenset(
    ("turn.session", "turn.conversation", "turn.conversation.step", "turn.thread", "turn.ticket", "turn.crossed")
)
_NAMED_EXTRACTOR = frozenset(seed.key for seed in SEEDS if seed.name == "extractor")

_ARGUMENTS = (
    _plain("all runs in a project", KEYS),
    Case(
        name="LLM runs of the last 24 hours",
        ask=lambda world: {
            "project_name": world.project,
            "start_time": datetime.now() - timedelta(days=1),  # noqa: DTZ005 -- as documented; the scenario runs in UTC
            "run_type": "llm",
        },
        expected=_keys(_CALLS - {"old.call"}),
    ),
    _plain("root runs", _ROOTS, is_root=True),
    _plain("root runs, is_root as a number", _ROOTS, is_root=1),
    _plain("runs without errors", KEYS - _FAILED, error=False),
    _plain("runs with errors", _FAILED, error=True),
    Case(
        name="runs by id",
        ask=lambda world: {"id": [world.ids["good.expand"], world.ids["ancient"]]},
        expected=("ancient", "good.expand"),
    ),
    Case(
        name="runs by id, whatever else is asked",
        ask=lambda world: {
            "project_name": world.project,
            "run_ids": [world.ids["good.expand"], world.ids["ancient"]],
            "run_type": "tool",
            "is_root": True,
        },
        expected=("ancient", "good.expand"),
    ),
    Case(
        name="runs of a trace",
        ask=lambda world: {"trace_id": world.ids["good"]},
        expected=_keys(key for key in KEYS if key == "good" or key.startswith("good.")),
    ),
    Case(
        name="child runs by parent",
        ask=lambda world: {"project_name": world.project, "parent_run_id": world.ids["good"]},
        expected=_keys(key for key in KEYS if key.startswith("good.")),
    ),
    _plain("runs by type", ("good.search", "bad.search", "bad.cart", "failed.charge"), run_type="tool"),
    Case(name="newest first", ask=lambda world: {"project_name": world.project}, expected=_BY_AGE, ordered=True),
    Case(
        name="oldest first",
        ask=lambda world: {"project_name": world.project, "order": "asc"},
        expected=_BY_AGE[::-1],
        ordered=True,
    ),
    Case(
        name="the five newest",
        ask=lambda world: {"project_name": world.project, "limit": 5},
        expected=_BY_AGE[:5],
        ordered=True,
    ),
    _plain("selected fields", KEYS, select=["inputs", "outputs"]),
)
_THREADS = (
    _filtered(
        "root runs of a thread",
        f'and(in(metadata_key, ["session_id","conversation_id","thread_id"]), eq(metadata_value, "{THREAD}"))',
        ("turn.session", "turn.conversation", "turn.thread"),
        is_root=True,
    ),
    _filtered(
        "a thread by its id",
        f'eq(thread_id, "{THREAD}")',
        ("turn.session", "turn.conversation", "turn.thread"),
        is_root=True,
    ),
    _filtered(
        "any thread key",
        'in(metadata_key, ["session_id", "thread_id"])',
        ("turn.session", "turn.thread"),
    ),
)
_FEEDBACK = (
    Case(
        name="extractor runs whose root was scored",
        ask=lambda world: {
            "project_name": world.project,
            "filter": 'eq(name, "extractor")',
            "trace_filter": 'and(eq(feedback_key, "user_score"), eq(feedback_score, 1))',
        },
        expected=("good.extract", "plain.extract"),
    ),
    _filtered(
        "star rating above four", 'and(eq(feedback_key, "star_rating"), gt(feedback_score, 4))', ("good.extract",)
    ),
    _filtered(
        "star rating of four or more",
        'and(eq(feedback_key, "star_rating"), gte(feedback_score, 4))',
        ("bad", "good.extract"),
    ),
    _filtered("scored at all", 'eq(feedback_key, "user_score")', ("good", "bad", "plain")),
    _filtered("low score of any key", "lte(feedback_score, 0.5)", ("bad", "judged.zero", "judged.crossed")),
    _filtered("low correctness", 'and(eq(feedback_key, "Correctness"), lt(feedback_score, 0.5))', ("judged.zero",)),
    _filtered(
        "copied from the page's filter",
        'and(eq(is_root, true), and(eq(feedback_key, "user_score"), eq(feedback_score, 1)))',
        ("good", "plain"),
    ),
)
_SCALARS = (
    _filtered("longer than 5 s", 'gt(latency, "5s")', ("slow.experimental", "slow.untagged")),
    _filtered("5 s or longer", "gte(latency, 5)", ("slow.experimental", "slow.untagged", "slow.limit")),
    _filtered(
        "shorter than 1 s, as a duration",
        'and(lt(latency, "600ms"), eq(run_type, "tool"))',
        ("good.search", "bad.search", "bad.cart", "failed.charge"),
    ),
    _filtered("many tokens", "gt(total_tokens, 5000)", ("good.expand",)),
    _filtered("tokens at the limit", "gte(total_tokens, 5000)", ("good.expand", "unscored.expand")),
    _filtered("error not null", "neq(error, null)", _FAILED),
    _filtered("error null", "eq(error, null)", KEYS - _FAILED),
    _filtered("status error", 'eq(status, "error")', _FAILED),
    _filtered("status pending", 'eq(status, "pending")', ("running",)),
    _filtered("not errored", 'neq(status, "error")', KEYS - _FAILED),
    _filtered("after an instant", 'gt(start_time, "2023-07-15T12:34:56Z")', KEYS - _BEFORE_THE_INSTANT),
    _filtered("from an instant on", 'gte(start_time, "2023-07-15T12:34:56Z")', KEYS - {"ancient"}),
    _filtered("by name", 'eq(name, "extractor")', _NAMED_EXTRACTOR),
    _filtered("by name, single quotes", "eq(name, 'extractor')", _NAMED_EXTRACTOR),
    _filtered("by type in the filter", 'eq(run_type, "llm")', _CALLS),
    _filtered("roots in the filter", "eq(is_root, true)", _ROOTS),
    _filtered("children in the filter", "eq(is_root, false)", KEYS - _ROOTS),
    _filtered("slow model calls, none", 'and(eq(run_type, "llm"), gt(latency, "2s"))', ()),
)
_TEXT_AND_TAGS = (
    _filtered("full text", 'search("substring")', ("text.substring",)),
    _filtered("full text, two words", 'search("image classification")', ("text.nested", "text.split")),
    _filtered("git hash tag", 'has(tags, "2aa1cf4")', ("tagged.hash",)),
    _filtered("either tag", 'or(has(tags, "production"), has(tags, "nightly"))', ("good", "slow.beta", "tagged.hash")),
    _filtered(
        "either tag and slow",
        'and(or(has(tags, "experimental"), has(tags, "beta")), gt(latency, 2))',
        ("slow.experimental", "slow.limit", "slow.beta"),
    ),
    _filtered(
        "either tag and slow, single quotes",
        "and(or(has(tags, 'experimental'), has(tags, 'beta')), gt(latency, 2))",
        ("slow.experimental", "slow.limit", "slow.beta"),
    ),
    _filtered(
        "time, and error or feedback",
        'and(gt(start_time, "2023-07-15T12:34:56Z"), or(neq(error, null), '
        'and(eq(feedback_key, "Correctness"), eq(feedback_score, 0.0))))',
        ("failed", "failed.charge", "judged.zero"),
    ),
    _filtered(
        "time, and status or feedback",
        'and(gt(start_time, "2023-07-15T12:34:56Z"), or(eq(status, "error"), '
        'and(eq(feedback_key, "Correctness"), eq(feedback_score, 0.0))))',
        ("failed", "failed.charge", "judged.zero"),
    ),
)
_METADATA = (
    _filtered("metadata key", "eq(metadata_key, 'user_id')", ("good", "bad")),
    _filtered("metadata key and value", f"and(eq(metadata_key, 'user_id'), eq(metadata_value, '{USER}'))", ("good",)),
    _filtered("environment", "and(eq(metadata_key, 'environment'), eq(metadata_value, 'production'))", ("good",)),
    _filtered(
        "conversation",
        f"and(eq(metadata_key, 'conversation_id'), eq(metadata_value, '{THREAD}'))",
        ("turn.conversation", "turn.conversation.step"),
    ),
    _filtered("metadata key absent", "and(neq(metadata_key, 'conversation_id'))", KEYS - _WITH_CONVERSATION),
    _filtered(
        "metadata key with another value",
        f"and(eq(metadata_key, 'conversation_id'), neq(metadata_value, '{THREAD}'))",
        ("turn.other", "turn.renamed", "turn.crossed"),
    ),
    _filtered(
        "neither metadata key nor value",
        f"and(neq(metadata_key, 'conversation_id'), neq(metadata_value, '{THREAD}'))",
        KEYS - _WITH_CONVERSATION - _WITH_THREAD_VALUE,
    ),
    _filtered(
        "metadata value under another key",
        f"and(neq(metadata_key, 'conversation_id'), eq(metadata_value, '{THREAD}'))",
        ("turn.session", "turn.thread", "turn.ticket"),
    ),
    _filtered(
        "name and metadata pair",
        f"and(eq(name, 'ChatOpenAI'), eq(metadata_key, 'conversation_id'), eq(metadata_value, '{OTHER_THREAD}'))",
        ("turn.other",),
    ),
    _filtered(
        "two metadata pairs",
        f"and(and(eq(metadata_key, 'user_id'), eq(metadata_value, '{USER}')), "
        "and(eq(metadata_key, 'environment'), eq(metadata_value, 'production')))",
        ("good",),
    ),
    _filtered("metadata as JSON", """has(metadata, '{"environment": "staging"}')""", ("bad",)),
)
_PAYLOAD = (
    _filtered("input key", "eq(input_key, 'messages.role')", ("entry.user", "entry.system")),
    _filtered("input pair", "and(eq(input_key, 'messages.role'), eq(input_value, 'user'))", ("entry.user",)),
    _filtered("output pair", "and(eq(output_key, 'status'), eq(output_value, 'done'))", ("entry.user",)),
    _filtered(
        "input pair by pattern",
        'and(eq(input_key, "messages.content"), like(input_value, "%refund%"))',
        ("entry.user",),
    ),
    _filtered(
        "input key with another value",
        "and(eq(input_key, 'messages.role'), neq(input_value, 'user'))",
        ("entry.system",),
    ),
    _filtered(
        "input value under another key",
        "and(neq(input_key, 'messages.role'), eq(input_value, 'user'))",
        ("entry.author",),
    ),
    _filtered("output key absent", "and(neq(output_key, 'status'), eq(output_value, 'done'))", ("entry.author",)),
)
_TREES = (
    Case(
        name="tree filter with trace filter",
        ask=lambda world: {
            "project_name": world.project,
            "filter": 'eq(name, "RetrieveDocs")',
            "trace_filter": 'and(eq(feedback_key, "user_score"), eq(feedback_score, 1))',
            "tree_filter": 'eq(name, "ExpandQuery")',
        },
        expected=("good.retrieve",),
    ),
    Case(
        name="roots by a tool of their trace",
        ask=lambda world: {
            "project_name": world.project,
            "is_root": True,
            "tree_filter": 'and(eq(run_type, "tool"), eq(name, "search_catalog"))',
        },
        expected=("bad", "good"),
    ),
    Case(
        name="both conditions of a tree filter hold for one run",
        ask=lambda world: {
            "project_name": world.project,
            "is_root": True,
            "tree_filter": 'and(eq(run_type, "llm"), eq(name, "search_catalog"))',
        },
        expected=(),
    ),
)

CASES: tuple[Case, ...] = (
    *_ARGUMENTS,
    *_THREADS,
    *_FEEDBACK,
    *_SCALARS,
    *_TEXT_AND_TAGS,
    *_METADATA,
    *_PAYLOAD,
    *_TREES,
)
