"""Asks every question over HTTP, times the hot answers and holds each of them against the ground truth.

A cell with one wrong answer is a failure, whatever its times. Calls of all small cells are shuffled together, so no
cell profits from its own pages being the last ones read; the traces of thousands of runs come afterwards.
"""

from __future__ import annotations

import http.client
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from bench.agentmix import iso_time
from bench.client import BenchError, Client
from bench.questions import PER_CELL, Answer, Ask, Exam, Kind, Numbers, Question, digest_ids, digest_payload

SELECT: Final = [
    "app_path",
    "completion_cost",
    "completion_tokens",
    "dotted_order",
    "end_time",
    "error",
    "events",
    "extra",
    "feedback_stats",
    "first_token_time",
    "id",
    "inputs",
    "name",
    "outputs",
    "parent_run_id",
    "parent_run_ids",
    "prompt_cost",
    "prompt_tokens",
    "reference_example_id",
    "run_type",
    "s3_urls",
    "session_id",
    "start_time",
    "status",
    "tags",
    "total_cost",
    "total_tokens",
    "trace_id",
]
"""The fields that the Python SDK asks for when its caller names none: payloads included."""

LARGE_CELLS: Final = ("trace of 2,000 runs", "trace of 10,000 runs")
_LARGE_CALLS: Final = 5
_COST_TOLERANCE: Final = 1e-6


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the result: hot calls in milliseconds, the first call of the cell, what went wrong if anything.

    ``rows_read`` and ``mb_read`` are what the engine read for the first question of the cell, where it is a listing.
    """

    cell: str
    calls: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    first_ms: float
    answer_kb: float
    rows_read: int | None = None
    mb_read: float | None = None
    failures: tuple[str, ...] = ()


class Outcome(NamedTuple):
    """Milliseconds and bytes of one question, and what is wrong with the answer (None when right)."""

    took_ms: float
    size_bytes: int
    wrong: str | None


class Examiner:
    """Turns questions into requests to one server and judges the answers."""

    def __init__(self, client: Client, project_ids: Mapping[str, str]) -> None:
        self._client = client
        self._projects = project_ids
        self._cursors: dict[Ask, str | None] = {}

    def put(self, question: Question) -> Outcome:
        """Ask once. A refusal or a broken answer is a wrong answer, not an exception."""
        try:
            return self._put(question.ask, question.answer)
        except (BenchError, OSError, http.client.HTTPException, KeyError, TypeError, msgspec.DecodeError) as error:
            return Outcome(0.0, 0, f"{type(error).__name__}: {error}"[:300])

    def _put(self, ask: Ask, answer: Answer) -> Outcome:
        ways: dict[Kind, Callable[[Ask, Answer], Outcome]] = {
            Kind.RUN: self._run,
            Kind.TRACE: self._trace,
            Kind.PAGE: self._page,
            Kind.DEEP_PAGE: self._page,
            Kind.STATS: self._stats,
            Kind.GROUPED: self._grouped,
            Kind.SPANS: self._spans,
            Kind.THREADS: self._threads,
            Kind.COUNT: self._count,
        }
        return ways[ask.kind](ask, answer)

    def cost(self, ask: Ask) -> tuple[int, float] | None:
        """Rows and megabytes that the engine reads for the first page, by the server's own account."""
        if ask.kind not in (Kind.RUN, Kind.TRACE, Kind.PAGE) or not set(ask.projects) <= set(self._projects):
            return None
        body = {"id": [ask.run_id]} if ask.kind is Kind.RUN else {**self.body(ask), "limit": ask.limit}
        report = self._client.post("/api/v1/runs/query/explain", {**body, "select": SELECT}).json()
        return report["rows_read"], round(report["bytes_read"] / 1e6, 2)

    def body(self, ask: Ask) -> dict[str, Any]:
        """The question as a v1 query body."""
        fields: dict[str, Any] = {
            "session": [self._projects[name] for name in ask.projects] or None,
            "trace": ask.trace_id,
            "is_root": ask.is_root,
            "filter": ask.filter,
            "trace_filter": ask.trace_filter,
            "tree_filter": ask.tree_filter,
            "start_time": None if ask.since_us is None else iso_time(ask.since_us),
            "end_time": None if ask.until_us is None else iso_time(ask.until_us),
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _query(self, ask: Ask, **more: Any) -> tuple[Any, float, int]:
        reply = self._client.post("/api/v1/runs/query", {**self.body(ask), "select": SELECT, **more})
        return reply.json(), reply.took_ms, len(reply.body)

    def _run(self, ask: Ask, answer: Answer) -> Outcome:
        reply = self._client.get(f"/api/v1/runs/{ask.run_id}")
        run = reply.json()
        right = run["id"] == ask.run_id and digest_payload(run["inputs"], run.get("outputs")) == answer.payload
        return Outcome(reply.took_ms, len(reply.body), None if right else "another payload than was sent")

    def _trace(self, ask: Ask, answer: Answer) -> Outcome:
        ids: list[str] = []
        took_ms, size = 0.0, 0
        more: dict[str, str] = {}
        while True:
            page, page_ms, page_bytes = self._query(ask, limit=ask.limit, **more)
            took_ms, size = took_ms + page_ms, size + page_bytes
            ids += [run["id"] for run in page["runs"] if "inputs" in run]
            cursor = (page.get("cursors") or {}).get("next")
            if not cursor or not page["runs"]:
                break
            more = {"cursor": cursor}
        right = len(ids) == answer.total and digest_ids(ids) == answer.digest
        return Outcome(took_ms, size, None if right else f"{len(ids)} runs, expected {answer.total}")

    def _page(self, ask: Ask, answer: Answer) -> Outcome:
        cursor = self._cursor_of(ask)
        more = {} if cursor is None else {"cursor": cursor}
        page, took_ms, size = self._query(ask, limit=ask.limit, order="desc", **more)
        return Outcome(took_ms, size, _compare([run["id"] for run in page["runs"]], answer.ids))

    def _cursor_of(self, ask: Ask) -> str | None:
        """The cursor of the page asked for, None for the first page; found once by walking there."""
        if ask.page == 1:
            return None
        if ask not in self._cursors:
            cursor: str | None = None
            for _ in range(ask.page - 1):
                more = {} if cursor is None else {"cursor": cursor}
                body = {**self.body(ask), "select": SELECT, "limit": ask.limit, "order": "desc", **more}
                cursor = self._client.post("/api/v1/runs/query", body).json()["cursors"]["next"]
            self._cursors[ask] = cursor
        return self._cursors[ask]

    def _stats(self, ask: Ask, answer: Answer) -> Outcome:
        reply = self._client.post("/api/v1/runs/stats", self.body(ask))
        wrong = None if answer.numbers is None else _compare_numbers(reply.json(), answer.numbers)
        return Outcome(reply.took_ms, len(reply.body), wrong)

    def _grouped(self, ask: Ask, answer: Answer) -> Outcome:
        group_by = {"attribute": "metadata", "path": "ls_model_name", "max_groups": 20}
        reply = self._client.post("/api/v1/runs/stats", {**self.body(ask), "group_by": group_by})
        groups = reply.json()
        wrong = (
            None if len(groups) == len(answer.groups) else f"groups {sorted(groups)}, expected {sorted(answer.groups)}"
        )
        for name, numbers in answer.groups.items():
            wrong = wrong or _compare_numbers(groups.get(name) or {}, numbers)
        return Outcome(reply.took_ms, len(reply.body), wrong)

    def _spans(self, ask: Ask, answer: Answer) -> Outcome:
        """By model and hour; the counts and sums of the hours must be those of the whole."""
        group_by = {"attribute": "model", "max_groups": 20}
        body = {**self.body(ask), "group_by": group_by, "interval": "hour"}
        reply = self._client.post("/api/v1/runs/stats", body)
        counts: Counter[str] = Counter()
        tokens: Counter[str] = Counter()
        for bucket in reply.json()["buckets"]:
            counts[bucket["group"]] += bucket["stats"]["run_count"]
            tokens[bucket["group"]] += bucket["stats"]["total_tokens"]
        expected = {name: (numbers.run_count, numbers.total_tokens) for name, numbers in answer.groups.items()}
        found = {name: (count, tokens[name]) for name, count in counts.items()}
        return Outcome(reply.took_ms, len(reply.body), None if found == expected else f"{found}, expected {expected}")

    def _threads(self, ask: Ask, answer: Answer) -> Outcome:
        body = {
            "project_id": self._projects[ask.projects[0]],
            "min_start_time": iso_time(ask.since_us or 0),
            "max_start_time": iso_time(ask.until_us or 0),
            "page_size": ask.limit,
        }
        reply = self._client.post("/api/v2/threads/query", body)
        found = [item["thread_id"] for item in reply.json()["items"]]
        return Outcome(reply.took_ms, len(reply.body), _compare(found, answer.threads))

    def _count(self, ask: Ask, answer: Answer) -> Outcome:
        reply = self._client.post("/api/v1/runs/stats", {**self.body(ask), "select": ["run_count"]})
        count = reply.json()["run_count"]
        return Outcome(
            reply.took_ms, len(reply.body), None if count == answer.total else f"{count}, not {answer.total}"
        )


def _compare(found: Sequence[str], expected: Sequence[str]) -> str | None:
    if list(found) == list(expected):
        return None
    missing, extra = set(expected) - set(found), set(found) - set(expected)
    if not missing and not extra:
        return "right ids in the wrong order, or repeated"
    return f"{len(found)} ids, expected {len(expected)}; {len(missing)} missing, {len(extra)} not expected"


def _compare_numbers(found: Mapping[str, Any], expected: Numbers) -> str | None:
    if found.get("run_count") != expected.run_count:
        return f"run_count {found.get('run_count')}, not {expected.run_count}"
    if found.get("total_tokens") != expected.total_tokens:
        return f"total_tokens {found.get('total_tokens')}, not {expected.total_tokens}"
    errors = (found.get("error_rate") or 0.0) * expected.run_count
    if not math.isclose(errors, expected.error_count, abs_tol=0.5):
        return f"error_rate {found.get('error_rate')}, not {expected.error_count} of {expected.run_count}"
    p50 = expected.latency_p50_s
    if p50 is not None and not p50[0] <= (found.get("latency_p50") or 0.0) <= p50[1]:
        return f"latency_p50 {found.get('latency_p50')}, not between {p50[0]} and {p50[1]}"
    if expected.known_cost > float(found.get("total_cost") or 0.0) + _COST_TOLERANCE:
        return f"total_cost {found.get('total_cost')}, which is below {expected.known_cost}"
    return None


def measure(client: Client, project_ids: Mapping[str, str], exam: Exam, *, seed: int = 7) -> list[Timing]:
    """Every cell: one untimed round in which each question is judged, then the hot calls, judged again."""
    examiner = Examiner(client, project_ids)
    cells: dict[str, list[Question]] = defaultdict(list)
    for question in exam.questions:
        cells[question.cell].append(question)
    small = [name for name in cells if name not in LARGE_CELLS]
    hot: dict[str, list[Outcome]] = defaultdict(list)
    first: dict[str, Outcome] = {}
    warm: dict[str, list[Outcome]] = {}
    for name, questions in cells.items():
        warm[name] = [examiner.put(question) for question in questions]
        first[name] = warm[name][0]
    order = [question for name in small for question in _repeat(cells[name], PER_CELL)]
    Random(seed).shuffle(order)
    order += [question for name in cells if name not in small for question in _repeat(cells[name], _LARGE_CALLS)]
    for question in order:
        hot[question.cell].append(examiner.put(question))
    timings = [_timing(name, hot[name], first[name], warm[name]) for name in cells]
    return [_with_cost(timing, examiner.cost(cells[timing.cell][0].ask)) for timing in timings]


def _with_cost(timing: Timing, cost: tuple[int, float] | None) -> Timing:
    return timing if cost is None else msgspec.structs.replace(timing, rows_read=cost[0], mb_read=cost[1])


def _repeat(questions: Sequence[Question], count: int) -> list[Question]:
    return [questions[i % len(questions)] for i in range(count)]


def _timing(cell: str, hot: Sequence[Outcome], first: Outcome, warm: Iterable[Outcome]) -> Timing:
    took = sorted(outcome.took_ms for outcome in hot)
    wrong = dict.fromkeys(outcome.wrong for outcome in (*warm, *hot) if outcome.wrong is not None)
    return Timing(
        cell=cell,
        calls=len(took),
        p50_ms=round(percentile(took, 0.5), 1),
        p95_ms=round(percentile(took, 0.95), 1),
        max_ms=round(took[-1], 1),
        first_ms=round(first.took_ms, 1),
        answer_kb=round(sum(outcome.size_bytes for outcome in hot) / len(hot) / 1000, 1),
        failures=tuple(wrong)[:5],
    )


def percentile(ascending: Sequence[float], share: float) -> float:
    """The value below which ``share`` of a sorted sequence lies (nearest rank)."""
    return ascending[min(len(ascending) - 1, max(0, math.ceil(share * len(ascending)) - 1))]
