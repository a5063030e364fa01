"""The ground truth: watches the runs go by and knows, at the end, the right answer to every question.

Each collector below covers some rows of the result table. They keep ids of matching runs, hourly sums and the like,
never payloads, so memory stays small beside the data.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Final, NamedTuple, Protocol

import msgspec

from bench import needles as n
from bench.agentmix import Lifecycle, Run, request_id
from bench.needles import Needle
from bench.questions import PER_CELL, Answer, Ask, Exam, Kind, Numbers, Question, digest_ids, digest_payload
from bench.shapes import DAY_US, END_US, HOUR_US, START_US, TracePlan, Workload
from bench.shapes import Kind as TraceKind

PAGE: Final = 50
DEEP_PAGE: Final = 200


class Hit(NamedTuple):
    """A run that some question asks for; orders by start time."""

    start_us: int
    id: str
    project: str


class Newest:
    """The newest ``limit`` of many runs, and how many there were."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[Hit] = []
        self.total = 0

    def add(self, hit: Hit) -> None:
        self.total += 1
        if len(self._heap) < self._limit:
            heapq.heappush(self._heap, hit)
        elif hit > self._heap[0]:
            heapq.heapreplace(self._heap, hit)

    def ids(self) -> tuple[str, ...]:
        return tuple(hit.id for hit in sorted(self._heap, reverse=True))


def answer_of(hits: Iterable[Hit], limit: int = PAGE) -> Answer:
    """The first page and the total of ``hits``; one id counts once."""
    found = sorted(set(hits), reverse=True)
    return Answer(ids=tuple(hit.id for hit in found[:limit]), total=len(found))


def hit_of(run: Run) -> Hit:
    return Hit(run.start_us, run.id, run.trace.project)


class Window(NamedTuple):
    """A project and a span of start times, different for every question of a cell."""

    project: str
    since_us: int
    until_us: int

    def holds(self, hit: Hit) -> bool:
        return hit.project == self.project and self.since_us <= hit.start_us < self.until_us


def windows(projects: Sequence[str], days: int) -> list[Window]:
    """As many as a cell has questions: every project, with the end moved back hour by hour."""
    out: list[Window] = []
    for i in range(PER_CELL):
        until_us = END_US - (i // len(projects)) * HOUR_US
        out.append(Window(projects[i % len(projects)], max(START_US, until_us - days * DAY_US), until_us))
    return out


class Collector(Protocol):
    def see(self, run: Run) -> None: ...

    def questions(self) -> Iterator[Question]: ...


class SingleRuns:
    """Single runs by id, with their whole payload."""

    def __init__(self, workload: Workload) -> None:
        count = min(PER_CELL, workload.runs)
        self._chosen = set(Random(f"{workload.seed}:ids").sample(range(workload.runs), count))
        self._found: list[Question] = []

    def see(self, run: Run) -> None:
        if run.ordinal in self._chosen:
            answer = Answer(ids=(run.id,), payload=digest_payload(run.inputs, run.outputs))
            self._found.append(Question("run by id", Ask(kind=Kind.RUN, run_id=run.id, limit=1), answer))

    def questions(self) -> Iterator[Question]:
        return iter(self._found)


class WholeTraces:
    """All runs of chosen traces: agents of 20 to 60 runs, one of about 2,000, the largest."""

    def __init__(self, workload: Workload, plans: Sequence[TracePlan]) -> None:
        random = Random(f"{workload.seed}:traces")
        agents = [plan for plan in plans if plan.kind is TraceKind.AGENT and 20 <= plan.size <= 60]
        self._cells = {plan.index: "trace of 20-60 runs" for plan in random.sample(agents, min(PER_CELL, len(agents)))}
        monsters = sorted((plan for plan in plans if plan.kind is TraceKind.MONSTER), key=lambda plan: plan.size)
        if monsters:
            self._cells[monsters[0].index] = "trace of 2,000 runs"
            self._cells[monsters[-1].index] = "trace of 10,000 runs"
        self._ids: dict[int, list[str]] = defaultdict(list)
        self._plans = plans

    def see(self, run: Run) -> None:
        if run.trace.index in self._cells:
            self._ids[run.trace.index].append(run.id)

    def questions(self) -> Iterator[Question]:
        for index, ids in self._ids.items():
            ask = Ask(kind=Kind.TRACE, trace_id=ids[0], projects=(self._plans[index].project,), limit=len(ids))
            yield Question(self._cells[index], ask, Answer(total=len(ids), digest=digest_ids(ids)))


class Roots:
    """Newest roots of a project, threads, and one thread."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._roots: list[tuple[Hit, str]] = []

    def see(self, run: Run) -> None:
        if run.is_root:
            self._roots.append((hit_of(run), run.trace.thread))

    def questions(self) -> Iterator[Question]:
        for days in (7, 90):
            for window in windows(self._workload.projects, days):
                hits = (hit for hit, _ in self._roots if window.holds(hit))
                ask = _ask_window(window, is_root=True)
                yield Question(f"newest roots, {days} days", ask, answer_of(hits))
        yield from self._thread_lists()
        yield from self._single_threads()

    def _thread_lists(self) -> Iterator[Question]:
        for window in windows(self._workload.projects, 90):
            newest: dict[str, int] = {}
            for hit, thread in self._roots:
                if window.holds(hit):
                    newest[thread] = max(newest.get(thread, 0), hit.start_us)
            order = sorted(newest, key=lambda thread: -newest[thread])
            ask = _ask_window(window, kind=Kind.THREADS, limit=20)
            yield Question("thread list", ask, Answer(threads=tuple(order[:20]), total=len(order)))

    def _single_threads(self) -> Iterator[Question]:
        of_thread: dict[str, list[Hit]] = defaultdict(list)
        for hit, thread in self._roots:
            of_thread[thread].append(hit)
        random = Random(f"{self._workload.seed}:threads")
        for thread in random.sample(sorted(of_thread), min(PER_CELL, len(of_thread))):
            hits = of_thread[thread]
            ask = Ask(kind=Kind.PAGE, projects=(hits[0].project,), is_root=True, filter=f'eq(thread_id, "{thread}")')
            yield Question("one thread", ask, answer_of(hits))


class DeepPages:
    """Page 200 of all runs of the largest projects, and page 1 of the same list to compare it with."""

    def __init__(self, workload: Workload) -> None:
        self._lists = {project: Newest(DEEP_PAGE * PAGE) for project in workload.projects[:3]}

    def see(self, run: Run) -> None:
        newest = self._lists.get(run.trace.project)
        if newest is not None:
            newest.add(hit_of(run))

    def questions(self) -> Iterator[Question]:
        for project, newest in self._lists.items():
            ids = newest.ids()
            last = len(ids) // PAGE
            for cell, page in (("page 1 of all runs", 1), ("page 200 by cursor", last)):
                if page:
                    ask = Ask(kind=Kind.DEEP_PAGE, projects=(project,), page=page)
                    yield Question(cell, ask, Answer(ids=ids[(page - 1) * PAGE : page * PAGE], total=newest.total))


class SlowErrors:
    """Failed runs slower than some seconds."""

    def __init__(self, workload: Workload) -> None:
        self._projects = workload.projects
        self._failed: list[tuple[Hit, int]] = []

    def see(self, run: Run) -> None:
        if run.error is not None and run.duration_us is not None:
            self._failed.append((hit_of(run), run.duration_us))

    def questions(self) -> Iterator[Question]:
        for i, window in enumerate(windows(self._projects, 90)):
            seconds = (5, 5, 8)[i // len(self._projects) % 3]
            hits = (hit for hit, took in self._failed if took > seconds * 1_000_000 and window.holds(hit))
            ask = _ask_window(window, filter=f'and(neq(error, null), gt(latency, "{seconds}s"))')
            yield Question("errors slower than 5 s", ask, answer_of(hits))


class Metadata:
    """Key and value pairs of metadata: of one user, of an environment, unique to one run."""

    def __init__(self, workload: Workload, plans: Sequence[TracePlan]) -> None:
        random = Random(f"{workload.seed}:metadata")
        users = sorted({(plan.user, plan.project) for plan in plans})
        chosen = random.sample(users, min(PER_CELL, len(users)))
        self._users = {user: (project, Newest(PAGE)) for user, project in chosen}
        self._envs = {(p, e): Newest(PAGE) for p in workload.projects for e in ("prod", "staging", "dev")}
        ordinals = random.sample(range(workload.runs), min(PER_CELL, workload.runs))
        self._requests: dict[str, Hit | None] = {request_id(workload.seed, ordinal): None for ordinal in ordinals}

    def see(self, run: Run) -> None:
        hit = hit_of(run)
        self._envs[run.trace.project, run.trace.env].add(hit)
        if run.trace.user in self._users:
            self._users[run.trace.user][1].add(hit)
        if run.metadata["request_id"] in self._requests:
            self._requests[run.metadata["request_id"]] = hit

    def questions(self) -> Iterator[Question]:
        for user, (project, newest) in self._users.items():
            yield _pair_question("metadata, rare", project, ("user_id", user), newest)
        for (project, env), newest in self._envs.items():
            yield _pair_question("metadata, common", project, ("env", env), newest)
            ask = Ask(kind=Kind.COUNT, projects=(project,), filter=_pair("env", env))
            yield Question("count, metadata", ask, Answer(total=newest.total))
        for request, hit in self._requests.items():
            if hit is not None:
                ask = Ask(kind=Kind.PAGE, projects=(hit.project,), filter=_pair("request_id", request))
                yield Question("metadata, unique", ask, Answer(ids=(hit.id,), total=1))


def _pair(key: str, value: str) -> str:
    return f"and(eq(metadata_key, '{key}'), eq(metadata_value, '{value}'))"


def _pair_question(cell: str, project: str, pair: tuple[str, str], newest: Newest) -> Question:
    ask = Ask(kind=Kind.PAGE, projects=(project,), filter=_pair(*pair))
    return Question(cell, ask, Answer(ids=newest.ids(), total=newest.total))


class Judged:
    """Runs by their feedback, and model calls by the feedback of their root."""

    _KEYS: Final = (("helpful", 0.5), ("correctness", 0.3), ("toxicity", 0.2))

    def __init__(self, workload: Workload) -> None:
        self._projects = workload.projects
        self._scored: list[tuple[Hit, str, float]] = []
        self._root_scores: dict[int, dict[str, float]] = {}
        self._calls: dict[int, list[Hit]] = defaultdict(list)

    def see(self, run: Run) -> None:
        numeric = {score.key: score.score for score in run.scores if score.score is not None}
        self._scored.extend((hit_of(run), key, score) for key, score in numeric.items())
        if run.is_root and numeric:
            self._root_scores[run.trace.index] = numeric
        if run.run_type == "llm" and run.trace.index in self._root_scores:
            self._calls[run.trace.index].append(hit_of(run))

    def questions(self) -> Iterator[Question]:
        for i, window in enumerate(windows(self._projects, 90)):
            key, bound = self._KEYS[i // len(self._projects) % 3]
            condition = f"and(eq(feedback_key, '{key}'), lt(feedback_score, {bound}))"
            hits = (hit for hit, k, score in self._scored if k == key and score < bound and window.holds(hit))
            yield Question("feedback condition", _ask_window(window, filter=condition), answer_of(hits))
            low = [t for t, given in self._root_scores.items() if given.get(key, 1.0) < bound]
            calls = (hit for trace in low for hit in self._calls[trace] if window.holds(hit))
            ask = _ask_window(window, filter='eq(run_type, "llm")', trace_filter=condition)
            yield Question("runs by feedback of their root", ask, answer_of(calls))


class FailedTools:
    """Roots of traces in which a tool of some name failed."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._roots: dict[int, Hit] = {}
        self._traces: dict[str, set[int]] = defaultdict(set)

    def see(self, run: Run) -> None:
        if run.is_root:
            self._roots[run.trace.index] = hit_of(run)
        if run.error is not None and run.run_type == "tool":
            self._traces[run.name].add(run.trace.index)

    def questions(self) -> Iterator[Question]:
        names = sorted(self._traces)
        for i, window in enumerate(windows(self._workload.projects, 90) if names else ()):
            name = names[i % len(names)]
            hits = (self._roots[trace] for trace in self._traces[name] if window.holds(self._roots[trace]))
            ask = _ask_window(window, is_root=True, tree_filter=f'and(eq(name, "{name}"), neq(error, null))')
            yield Question("tree filter", ask, answer_of(hits))


class Needles:
    """Full text, and text below one path of the inputs."""

    def __init__(self, workload: Workload) -> None:
        self._projects = workload.projects
        self._found: dict[Needle, list[Hit]] = defaultdict(list)
        self._common = {(needle, p): Newest(PAGE) for needle in n.TENTH for p in workload.projects}

    def see(self, run: Run) -> None:
        for needle in run.needles:
            if needle.kind is n.NeedleKind.TENTH:
                self._common[needle, run.trace.project].add(hit_of(run))
            else:
                self._found[needle].append(hit_of(run))

    def questions(self) -> Iterator[Question]:
        yield from self._searches("text, rare", n.RARE, _search)
        yield from self._searches("text, 0.1 %", n.PER_MILLE, _search)
        for (needle, project), newest in self._common.items():
            ask = Ask(kind=Kind.PAGE, projects=(project,), filter=_search(needle.text))
            yield Question("text, 10 %", ask, Answer(ids=newest.ids(), total=newest.total))
            ask = Ask(kind=Kind.COUNT, projects=(project,), filter=_search(needle.text))
            yield Question("count, text 10 %", ask, Answer(total=newest.total))
        yield from self._searches("text, phrase", n.PHRASES, lambda text: _search(f'"{text}"'))
        for word in n.ABSENT:
            yield Question(
                "text, zero", Ask(kind=Kind.PAGE, projects=self._projects, filter=_search(word)), Answer(total=0)
            )
        yield from self._searches("text, CJK", n.CJK, lambda text: _search(f'"{text}"'))
        yield from self._searches("JSON path, part of a text", n.PATH_TEXTS, _like_message)
        yield from self._searches("JSON path, whole value", n.PATH_VALUES, _equal_locker)

    def _searches(self, cell: str, wanted: Sequence[Needle], spell: Callable[[str], str]) -> Iterator[Question]:
        """Every needle over all projects, over the larger ones and over the rest, up to a full cell."""
        scopes = (self._projects, self._projects[:2], self._projects[2:])
        asked = [(needle, scope) for scope in scopes for needle in wanted] * (1 + PER_CELL // (3 * len(wanted)))
        for needle, scope in asked[: min(PER_CELL, 3 * len(wanted))]:
            hits = (hit for hit in self._found[needle] if hit.project in scope)
            ask = Ask(kind=Kind.PAGE, projects=tuple(scope), filter=spell(needle.text))
            yield Question(cell, ask, answer_of(hits))


def _search(text: str) -> str:
    return f"search('{text}')"


def _like_message(text: str) -> str:
    return f"and(eq(input_key, 'messages.content'), like(input_value, '%{text}%'))"


def _equal_locker(text: str) -> str:
    return f"and(eq(input_key, 'arguments.locker'), eq(input_value, '{text}'))"


class Sums:
    """Statistics over 7 and 90 days, and by model; kept by project and hour."""

    def __init__(self, workload: Workload) -> None:
        self._projects = workload.projects
        self._counts: Counter[tuple[str, int]] = Counter()
        self._errors: Counter[tuple[str, int]] = Counter()
        self._tokens: Counter[tuple[str, int]] = Counter()
        self._costs: dict[tuple[str, int], float] = defaultdict(float)
        self._models: dict[tuple[str, int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self._starts = {project: array("q") for project in workload.projects}
        self._took = {project: array("q") for project in workload.projects}

    def see(self, run: Run) -> None:
        project, hour = run.trace.project, (run.start_us - START_US) // HOUR_US
        tokens = run.usage.prompt + run.usage.completion if run.usage else 0
        self._counts[project, hour] += 1
        self._errors[project, hour] += run.error is not None
        self._tokens[project, hour] += tokens
        if run.usage and run.usage.prompt_cost is not None and run.usage.completion_cost is not None:
            self._costs[project, hour] += run.usage.prompt_cost + run.usage.completion_cost
        if run.model is not None:
            sums = self._models[project, hour, run.model]
            sums[0] += 1
            sums[1] += run.error is not None
            sums[2] += tokens
        if run.duration_us is not None:
            self._starts[project].append(run.start_us)
            self._took[project].append(run.duration_us)

    def questions(self) -> Iterator[Question]:
        for days in (7, 90):
            for window in windows(self._projects, days):
                ask = _ask_window(window, kind=Kind.STATS)
                yield Question(f"stats, {days} days", ask, Answer(numbers=self._numbers(window)))
        for window in windows(self._projects, 90):
            ask = _ask_window(window, kind=Kind.GROUPED, filter='eq(run_type, "llm")')
            by_model = Answer(groups=self._by_model(window))
            yield Question("stats by model", ask, by_model)
            yield Question("stats by model and hour", msgspec.structs.replace(ask, kind=Kind.SPANS), by_model)

    def _numbers(self, window: Window) -> Numbers:
        hours = [(window.project, hour) for hour in _hours(window)]
        pairs = zip(self._starts[window.project], self._took[window.project], strict=True)
        took = sorted(took for start, took in pairs if window.since_us <= start < window.until_us)
        return Numbers(
            run_count=sum(self._counts[key] for key in hours),
            error_count=sum(self._errors[key] for key in hours),
            total_tokens=sum(self._tokens[key] for key in hours),
            latency_p50_s=median_range_s(took),
            known_cost=sum(self._costs.get(key, 0.0) for key in hours),
        )

    def _by_model(self, window: Window) -> dict[str, Numbers]:
        out: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        hours = _hours(window)
        for (project, hour, model), sums in self._models.items():
            if project == window.project and hour in hours:
                out[model] = [a + b for a, b in zip(out[model], sums, strict=True)]
        return {m: Numbers(run_count=c, error_count=e, total_tokens=t) for m, (c, e, t) in out.items()}


def median_range_s(ascending_us: Sequence[int]) -> tuple[float, float] | None:
    """The values some ranks (three per cent, at least one) below and above the middle; None without values."""
    if not ascending_us:
        return None
    last = len(ascending_us) - 1
    around = 1 + len(ascending_us) * 3 // 100
    low, high = max(0, last // 2 - around), min(last, (last + 1) // 2 + around)
    return ascending_us[low] / 1e6, ascending_us[high] / 1e6


def _hours(window: Window) -> range:
    return range((window.since_us - START_US) // HOUR_US, (window.until_us - START_US) // HOUR_US)


def _ask_window(
    window: Window,
    *,
    kind: Kind = Kind.PAGE,
    is_root: bool | None = None,
    filter: str | None = None,  # noqa: A002 -- the language calls it so
    trace_filter: str | None = None,
    tree_filter: str | None = None,
    limit: int = PAGE,
) -> Ask:
    return Ask(
        kind=kind,
        projects=(window.project,),
        since_us=window.since_us,
        until_us=window.until_us,
        is_root=is_root,
        filter=filter,
        trace_filter=trace_filter,
        tree_filter=tree_filter,
        limit=limit,
    )


class Truth:
    """All collectors together: ``see`` every run once, then take the ``exam``."""

    def __init__(self, workload: Workload, plans: Sequence[TracePlan]) -> None:
        self._workload = workload
        self.complete = 0
        """Runs whose start and end are both sent."""
        self._collectors: tuple[Collector, ...] = (
            SingleRuns(workload),
            WholeTraces(workload, plans),
            Roots(workload),
            DeepPages(workload),
            SlowErrors(workload),
            Metadata(workload, plans),
            Judged(workload),
            FailedTools(workload),
            Needles(workload),
            Sums(workload),
        )

    def see(self, run: Run) -> None:
        self.complete += run.lifecycle is not Lifecycle.NEVER_ENDED
        for collector in self._collectors:
            collector.see(run)

    def exam(self, raw_bytes: int = 0) -> Exam:
        """Every question with its answer; ``raw_bytes`` is the size of the JSON that was made from the runs."""
        return Exam(
            runs=self._workload.runs,
            seed=self._workload.seed,
            median_bytes=self._workload.median_bytes,
            raw_bytes=raw_bytes,
            projects=self._workload.projects,
            questions=tuple(question for collector in self._collectors for question in collector.questions()),
        )
