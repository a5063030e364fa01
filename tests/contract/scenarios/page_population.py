"""The runs that the query page examples are tried on: for each some that fit and some that almost do. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

DAY_S = 86_400.0
THREAD = "a1b2c3d4-e5f6-7890"
OTHER_THREAD = "69b12c91-b1e2-46ce-91de-794c077e8151"
USER = "4070f233-f61e-44eb-bff1-da3c163895a3"
PAGE_INSTANT = datetime(2023, 7, 15, 12, 34, 56, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One run. ``age_s`` is seconds from its start to the time of seeding, ``latency_s`` None leaves it running.

    ``marks`` are feedback scores by key. ``tokens`` are those of prompt and completion.
    """

    key: str
    name: str = "Job"
    run_type: str = "chain"
    parent: str | None = None
    age_s: float = 3600.0
    start_time: datetime | None = None
    latency_s: float | None = 0.5
    inputs: Mapping[str, Any] = field(default_factory=lambda: {"question": "anything"})
    outputs: Mapping[str, Any] = field(default_factory=lambda: {"answer": "something"})
    error: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, float] = field(default_factory=dict)
    tokens: tuple[int, int] | None = None

    def starts_at(self, now: datetime) -> datetime:
        return self.start_time or now - timedelta(seconds=self.age_s)


_PIPELINES = (
    Seed(
        key="good",
        name="Pipeline",
        age_s=3000,
        tags=("production",),
        metadata={"user_id": USER, "environment": "production"},
        marks={"user_score": 1},
    ),
    Seed(
        key="good.expand",
        name="ExpandQuery",
        run_type="llm",
        parent="good",
        age_s=2999.9,
        tokens=(5000, 1),
        tags=("eu",),
    ),
    Seed(
        key="good.retrieve",
        name="RetrieveDocs",
        run_type="retriever",
        parent="good",
        age_s=2999.8,
        inputs={"query": "gloves"},
        outputs={"documents": [{"page_content": "Wool gloves are warm.", "type": "Document"}]},
    ),
    Seed(key="good.extract", name="extractor", parent="good", age_s=2999.7, marks={"star_rating": 5}),
    Seed(key="good.search", name="search_catalog", run_type="tool", parent="good", age_s=2999.6),
    Seed(
        key="bad",
        name="Pipeline",
        age_s=2900,
        metadata={"user_id": "someone else", "environment": "staging"},
        marks={"user_score": 0, "star_rating": 4},
    ),
    Seed(
        key="bad.retrieve",
        name="RetrieveDocs",
        run_type="retriever",
        parent="bad",
        age_s=2899.9,
        inputs={"query": "hats"},
        outputs={"documents": []},
    ),
    Seed(key="bad.extract", name="extractor", parent="bad", age_s=2899.8),
    Seed(key="bad.search", name="search_catalog", run_type="tool", parent="bad", age_s=2899.7),
    Seed(key="bad.cart", name="add_to_cart", run_type="tool", parent="bad", age_s=2899.6),
    Seed(key="plain", name="Pipeline", age_s=2800, marks={"user_score": 1}),
    Seed(
        key="plain.retrieve",
        name="RetrieveDocs",
        run_type="retriever",
        parent="plain",
        age_s=2799.9,
        inputs={"query": "scarves"},
        outputs={"documents": [{"page_content": "Silk is light.", "type": "Document"}]},
    ),
    Seed(key="plain.extract", name="extractor", parent="plain", age_s=2799.8),
    Seed(key="unscored", name="Pipeline", age_s=2700),
    Seed(
        key="unscored.expand", name="ExpandQuery", run_type="llm", parent="unscored", age_s=2699.9, tokens=(4000, 1000)
    ),
    Seed(key="unscored.retrieve", name="RetrieveDocs", run_type="retriever", parent="unscored", age_s=2699.8),
    Seed(key="unscored.extract", name="extractor", parent="unscored", age_s=2699.7),
)
_TURNS = (
    Seed(key="turn.session", name="ChatOpenAI", run_type="llm", age_s=2600, metadata={"session_id": THREAD}),
    Seed(key="turn.conversation", name="ChatOpenAI", run_type="llm", age_s=2590, metadata={"conversation_id": THREAD}),
    Seed(
        key="turn.conversation.step",
        name="step",
        parent="turn.conversation",
        age_s=2589.9,
        metadata={"conversation_id": THREAD},
    ),
    Seed(key="turn.thread", name="ChatAnthropic", run_type="llm", age_s=2580, metadata={"thread_id": THREAD}),
    Seed(key="turn.other", name="ChatOpenAI", run_type="llm", age_s=2570, metadata={"conversation_id": OTHER_THREAD}),
    Seed(key="turn.renamed", name="ChatAnthropic", age_s=2560, metadata={"conversation_id": OTHER_THREAD}),
    Seed(key="turn.ticket", name="ChatOpenAI", run_type="llm", age_s=2550, metadata={"ticket": THREAD}),
    Seed(
        key="turn.crossed",
        name="Job",
        age_s=2540,
        metadata={"conversation_id": "elsewhere", "note": THREAD},
    ),
)
_SPEEDS = (
    Seed(key="slow.experimental", age_s=2400, latency_s=12, tags=("experimental",)),
    Seed(key="slow.limit", age_s=2390, latency_s=5, tags=("beta",)),
    Seed(key="slow.beta", age_s=2380, latency_s=3, tags=("beta", "production")),
    Seed(key="slow.experimental.limit", age_s=2370, latency_s=2, tags=("experimental",)),
    Seed(key="slow.untagged", age_s=2360, latency_s=5.000001),
    Seed(key="running", age_s=2350, latency_s=None, outputs={}),
)
_JUDGED = (
    Seed(key="failed", name="Checkout", age_s=2200, error="ValueError('card declined')", marks={"Correctness": 1}),
    Seed(
        key="failed.charge",
        name="charge_card",
        run_type="tool",
        parent="failed",
        age_s=2199.9,
        error="ValueError('card declined')",
    ),
    Seed(key="judged.zero", age_s=2190, marks={"Correctness": 0.0}),
    Seed(key="judged.one", age_s=2180, marks={"Correctness": 1.0}),
    Seed(key="judged.crossed", age_s=2170, marks={"Correctness": 1.0, "speed": 0.0}),
)
_TIMES = (
    Seed(key="old.call", name="ChatOpenAI", run_type="llm", age_s=3 * DAY_S),
    Seed(key="ancient", start_time=PAGE_INSTANT - timedelta(days=1), error="TimeoutError()"),
    Seed(key="ancient.limit", start_time=PAGE_INSTANT),
)
_TEXTS = (
    Seed(key="text.substring", age_s=2000, inputs={"text": "here is a substring to find"}),
    Seed(key="text.nested", age_s=1990, outputs={"notes": [{"body": "A survey of Image Classification methods"}]}),
    Seed(key="text.split", age_s=1980, inputs={"kind": "image"}, outputs={"task": "classification"}),
    Seed(key="text.image", age_s=1970, inputs={"text": "an image of a bicycle"}),
    Seed(key="tagged.hash", age_s=1960, tags=("2aa1cf4", "nightly")),
    Seed(key="tagged.longer", age_s=1950, tags=("2aa1cf45",)),
)
_ENTRIES = (
    Seed(
        key="entry.user",
        age_s=1800,
        inputs={"messages": [{"role": "user", "content": "refund please"}]},
        outputs={"status": "done", "attempts": 3},
    ),
    Seed(
        key="entry.system",
        age_s=1790,
        inputs={"messages": [{"role": "system", "content": "be brief"}]},
        outputs={"status": "open", "attempts": 1},
    ),
    Seed(key="entry.author", age_s=1780, inputs={"author": "user"}, outputs={"result": "done"}),
    Seed(key="entry.none", age_s=1770, inputs={}, outputs={}),
)

SEEDS: tuple[Seed, ...] = (*_PIPELINES, *_TURNS, *_SPEEDS, *_JUDGED, *_TIMES, *_TEXTS, *_ENTRIES)
KEYS: frozenset[str] = frozenset(seed.key for seed in SEEDS)
