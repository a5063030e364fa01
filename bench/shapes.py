"""Which traces there are, when, of whom and how large; and the tree and timeline of one trace.

The plan holds one small record per trace (17,000 at a million runs); runs are made from it one at a time.
"""

from __future__ import annotations

import bisect
import itertools
import math
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000
DAYS: Final = 90
END_US: Final = 1_793_491_200_000_000
"""2026-11-01 00:00 UTC: every trace starts before it."""
START_US: Final = END_US - DAYS * DAY_US
PROJECTS: Final = tuple(f"agentmix-{name}" for name in (
    "support", "refunds", "shop", "helpdesk", "loyalty", "cargo", "groups", "voice", "claims", "lab",
))  # fmt: skip
FEEDBACK_KEYS: Final = ("helpful", "correctness", "toxicity")
LONGEST_THREAD: Final = 200
_TRACES_PER_THREAD: Final = 3.5
_HOURS_BY_LOAD: Final = (2, 1, 1, 1, 1, 2, 4, 7, 11, 14, 15, 15, 13, 14, 15, 14, 13, 11, 9, 8, 7, 6, 4, 3)


class Kind(StrEnum):
    CHAT = "chat"
    AGENT = "agent"
    DEEP = "deep"
    MONSTER = "monster"


@dataclass(frozen=True, slots=True)
class Score:
    """One judgement: a number under a numeric key, or a category under ``label``."""

    key: str
    score: float | None
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePlan:
    """What all runs of one trace have in common. ``root_scores`` is the feedback of the root run."""

    index: int
    kind: Kind
    size: int
    start_us: int
    project: str
    thread: str
    user: str
    env: str
    version: str
    region: str
    experiment: str
    retries: int
    root_scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """``runs`` in all; ``median_bytes`` of inputs and outputs of a run; the same values give the same bytes."""

    runs: int = 100_000
    seed: int = 1
    median_bytes: int = 2_000
    projects: tuple[str, ...] = PROJECTS


def plan_traces(workload: Workload) -> list[TracePlan]:
    """Every trace, oldest first; their sizes add up to ``workload.runs`` exactly."""
    random = Random(f"{workload.seed}:plan")
    sizes = _sizes(workload.runs, random)
    random.shuffle(sizes)
    starts = sorted(_start_us(random) for _ in sizes)
    threads = _Threads(len(sizes), workload.projects, random)
    plans: list[TracePlan] = []
    for index, ((kind, size), start_us) in enumerate(zip(sizes, starts, strict=True)):
        thread, project = threads.draw(random)
        age = (start_us - START_US) / (END_US - START_US)
        plans.append(
            TracePlan(
                index=index,
                kind=kind,
                size=size,
                start_us=start_us,
                project=project,
                thread=f"thread-{thread:05d}",
                user=f"user-{thread:05d}",
                env=random.choices(("prod", "staging", "dev"), (80, 15, 5))[0],
                version=f"4.{min(19, max(0, int(age * 20 + random.random() * 3 - 2)))}",
                region=random.choice(("eu-west", "eu-north", "us-east", "us-west", "ap-south", "sa-east")),
                experiment=f"exp-{int(random.random() * 200):03d}",
                retries=int(random.random() * 6),
                root_scores=scores(random) if random.random() < 0.2 else (),
            )
        )
    return plans


def scores(random: Random) -> tuple[Score, ...]:
    """Feedback of one run: one to three numeric keys, sometimes a label."""
    keys = random.sample(FEEDBACK_KEYS, 1 + int(random.random() * 3))
    out = [Score(k, float(random.random() < 0.7) if k == "helpful" else round(random.random(), 4)) for k in keys]
    if random.random() < 0.3:
        out.append(Score("label", None, random.choice(("good", "wrong tool", "too long", "rude", "off topic"))))
    return tuple(out)


def _sizes(runs: int, random: Random) -> list[tuple[Kind, int]]:
    monsters = [max(2, runs // 10) if runs < 100_000 else 10_000, max(2, runs // 50) if runs < 100_000 else 2_000]
    monsters += [int(2_000 + 8_000 * random.random() ** 2) for _ in range(max(0, round(runs / 60 * 0.005) - 2))]
    out = [(Kind.MONSTER, size) for size in monsters]
    left = runs - sum(monsters)
    while left > 0:
        kind = random.choices((Kind.CHAT, Kind.AGENT, Kind.DEEP), (70, 25, 4.5))[0]
        low, high = {Kind.CHAT: (4, 8), Kind.AGENT: (20, 60)}.get(kind, (200, 500))
        size = min(random.randint(low, high), left)
        if size < low:
            kind, size = Kind.CHAT, min(left, 8)
        out.append((kind, size))
        left -= size
    return out


def _day_weights() -> list[float]:
    weights = [1 + day / DAYS for day in range(DAYS)]
    weights[-1] *= 3
    return weights


_DAY_STEPS: Final = list(itertools.accumulate(_day_weights()))
_HOUR_STEPS: Final = list(itertools.accumulate(_HOURS_BY_LOAD))


def _start_us(random: Random) -> int:
    day = bisect.bisect(_DAY_STEPS, random.random() * _DAY_STEPS[-1])
    hour = bisect.bisect(_HOUR_STEPS, random.random() * _HOUR_STEPS[-1])
    start_us = START_US + day * DAY_US + hour * HOUR_US + int(random.random() * HOUR_US)
    return start_us + (start_us % 1_000_000 == 0)  # never on a bound of a window


class _Threads:
    """Draws threads with Zipf popularity, at most ``LONGEST_THREAD`` traces each; a thread stays in one project."""

    def __init__(self, traces: int, projects: tuple[str, ...], random: Random) -> None:
        count = max(3, round(traces / _TRACES_PER_THREAD))
        self._steps = list(itertools.accumulate((rank + 1) ** -0.7 for rank in range(count)))
        weights = [1 / (rank + 1) for rank in range(len(projects))]
        self._projects = random.choices(projects, weights, k=count)
        self._projects[: len(projects)] = projects[:count]
        self._used = [0] * count

    def draw(self, random: Random) -> tuple[int, str]:
        while True:
            thread = bisect.bisect(self._steps, random.random() * self._steps[-1])
            if self._used[thread] < LONGEST_THREAD:
                self._used[thread] += 1
                return thread, self._projects[thread]


@dataclass(slots=True)
class Node:
    """One run of a trace before it has content; times are microseconds after the start of the trace."""

    parent: int
    run_type: str
    depth: int
    start_us: int = 0
    end_us: int = 0


def grow_tree(plan: TracePlan, random: Random) -> list[Node]:
    """The runs of a trace, parents before children, with a timeline in which children lie within their parents."""
    nodes = [Node(-1, "chain", 0)]
    if plan.kind is Kind.MONSTER:
        nodes.append(Node(0, "chain", 1))
        fan_out = min(1_000, plan.size // 4)
        nodes.extend(Node(1, "tool", 2) for _ in range(fan_out))
    if plan.kind is Kind.DEEP:
        _grow_deep(nodes, plan.size, random)
    else:
        _grow_steps(nodes, plan.size, plan.kind, random)
    del nodes[plan.size :]
    _lay_out_times(nodes, 0.15 if plan.kind is Kind.MONSTER else 1.0, random)
    return nodes


def _grow_steps(nodes: list[Node], size: int, kind: Kind, random: Random) -> None:
    """A loop of steps below the root: think, call tools, sometimes look something up."""
    if kind is Kind.CHAT:
        nodes.append(Node(0, "retriever", 1))
    while len(nodes) < size:
        step = 0
        if kind is not Kind.CHAT:
            step = len(nodes)
            nodes.append(Node(0, "chain", 1))
        depth = nodes[step].depth + 1
        nodes.append(Node(step, "llm", depth))
        nodes.extend(Node(step, "tool", depth) for _ in range(random.choices((0, 1, 2), (25, 55, 20))[0]))
        if random.random() < 0.15:
            nodes.append(Node(step, "retriever", depth))


def _grow_deep(nodes: list[Node], size: int, random: Random) -> None:
    """Agents that call agents, to a depth of 60, with leaves on the way."""
    here = 0
    while len(nodes) < size:
        depth = nodes[here].depth + 1
        if random.random() < 0.45 and depth < 59:
            nodes.append(Node(here, "chain", depth))
            here = len(nodes) - 1
        else:
            nodes.append(Node(here, random.choices(("llm", "tool", "retriever"), (5, 4, 1))[0], depth))
            if random.random() < 0.2 and here:
                here = nodes[here].parent


_DURATION_LOG: Final = {
    "llm": (math.log(1.6e6), 0.8),
    "tool": (math.log(0.35e6), 1.1),
    "retriever": (math.log(0.12e6), 0.7),
}


def _lay_out_times(nodes: list[Node], scale: float, random: Random) -> None:
    clock = 0
    ends = [0] * len(nodes)
    for index, node in enumerate(nodes):
        parent_start = nodes[node.parent].start_us if index else 0
        node.start_us = max(clock, parent_start + 1) if index else 0
        duration = _DURATION_LOG.get(node.run_type)
        if duration is None:
            clock = node.start_us + 500 + int(random.random() * 4_000)
            ends[index] = clock
        else:
            ends[index] = node.start_us + 1 + int(random.lognormvariate(*duration) * scale)
            clock = ends[index] + 200 + int(random.random() * 3_000)
    for index in range(len(nodes) - 1, 0, -1):
        parent = nodes[index].parent
        ends[parent] = max(ends[parent], ends[index] + 300)
    for node, end in zip(nodes, ends, strict=True):
        node.end_us = end
