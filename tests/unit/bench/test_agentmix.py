"""The benchmark's ground truth, recomputed from the generated runs themselves by the plainest code that can do it."""

from __future__ import annotations

import io
import re
import statistics
from collections.abc import Callable, Iterator

import msgspec
import pytest

from bench.agentmix import Lifecycle, Run, generate_runs, uuid7
from bench.bodies import BodyWriter, split_run
from bench.needles import ABSENT, CJK, PHRASES, RARE
from bench.questions import Ask, Kind, Numbers, Question, digest_ids, digest_payload
from bench.shapes import Workload, plan_traces
from bench.truth import Truth

WORKLOAD = Workload(runs=500, seed=3)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return list(generate_runs(WORKLOAD))


@pytest.fixture(scope="module")
def questions(runs: list[Run]) -> list[Question]:
    truth = Truth(WORKLOAD, plan_traces(WORKLOAD))
    for run in runs:
        truth.see(run)
    return list(truth.exam().questions)


def _text(run: Run) -> str:
    return msgspec.json.encode([run.inputs, run.outputs]).decode()


def _message_texts(run: Run) -> Iterator[str]:
    return (message["content"] for message in run.inputs.get("messages", ()))


def _scores(run: Run, key: str) -> Iterator[float]:
    return (given.score for given in run.scores if given.key == key and given.score is not None)


def _meets(run: Run, text: str | None) -> bool:
    """Whether the run meets a filter of one of the forms that the questions use."""
    for pattern, holds in _FORMS:
        found = re.fullmatch(pattern, text or "")
        if found:
            return holds(run, *found.groups())
    raise AssertionError(f"no form for {text}")


def _slow_error(run: Run, seconds: str) -> bool:
    return run.error is not None and run.end_us is not None and run.end_us - run.start_us > int(seconds) * 1_000_000


def _same_word(run: Run, word: str) -> bool:
    return re.search(rf"(?<![0-9A-Za-z]){word}(?![0-9A-Za-z])", _text(run)) is not None


_FORMS: list[tuple[str, Callable[..., bool]]] = [
    ("", lambda _: True),
    (r'eq\(thread_id, "(.+)"\)', lambda run, thread: run.metadata["thread_id"] == thread),
    (r'eq\(run_type, "(.+)"\)', lambda run, run_type: run.run_type == run_type),
    (r'and\(neq\(error, null\), gt\(latency, "(\d)s"\)\)', _slow_error),
    (r"and\(eq\(metadata_key, '(.+)'\), eq\(metadata_value, '(.+)'\)\)", lambda run, k, v: run.metadata.get(k) == v),
    (
        r"and\(eq\(feedback_key, '(.+)'\), lt\(feedback_score, (.+)\)\)",
        lambda run, key, bound: any(score < float(bound) for score in _scores(run, key)),
    ),
    (
        r'and\(eq\(name, "(.+)"\), neq\(error, null\)\)',
        lambda run, name: run.name == name and run.error is not None,
    ),
    (r"search\('\"(.+)\"'\)", lambda run, phrase: phrase in _text(run)),
    (r"search\('(.+)'\)", _same_word),
    (
        r"and\(eq\(input_key, 'messages.content'\), like\(input_value, '%(.+)%'\)\)",
        lambda run, part: any(part in text for text in _message_texts(run)),
    ),
    (
        r"and\(eq\(input_key, 'arguments.locker'\), eq\(input_value, '(.+)'\)\)",
        lambda run, value: run.inputs.get("arguments", {}).get("locker") == value,
    ),
]


def _matching(runs: list[Run], ask: Ask) -> list[Run]:
    """Newest first, every run that the question is about."""
    roots = {run.trace_id: run for run in runs if run.is_root}
    trees = {run.trace_id for run in runs if _meets(run, ask.tree_filter)} if ask.tree_filter else None
    found = [
        run
        for run in runs
        if run.trace.project in ask.projects
        and (ask.since_us is None or run.start_us >= ask.since_us)
        and (ask.until_us is None or run.start_us < ask.until_us)
        and (ask.is_root is None or run.is_root == ask.is_root)
        and (ask.trace_filter is None or _meets(roots[run.trace_id], ask.trace_filter))
        and (trees is None or run.trace_id in trees)
        and _meets(run, ask.filter)
    ]
    return sorted(found, key=lambda run: (run.start_us, run.id), reverse=True)


def test_every_page_and_count_equals_brute_force(runs: list[Run], questions: list[Question]) -> None:
    asked = [q for q in questions if q.ask.kind in {Kind.PAGE, Kind.DEEP_PAGE, Kind.COUNT}]
    for question in asked:
        ask = question.ask
        found = _matching(runs, ask)
        if ask.kind is not Kind.COUNT:
            first = (ask.page - 1) * ask.limit
            assert question.answer.ids == tuple(run.id for run in found[first : first + ask.limit]), question
        assert question.answer.total == len(found), question
    assert {q.cell for q in asked if q.answer.total} >= {
        "newest roots, 90 days",
        "metadata, rare",
        "metadata, common",
        "metadata, unique",
        "feedback condition",
        "text, rare",
        "text, 0.1 %",
        "text, 10 %",
        "text, phrase",
        "text, CJK",
        "JSON path, part of a text",
        "JSON path, whole value",
    }


def test_runs_and_traces_are_told_by_their_digests(runs: list[Run], questions: list[Question]) -> None:
    by_id = {run.id: run for run in runs}
    for question in questions:
        if question.ask.kind is Kind.RUN:
            run = by_id[question.ask.run_id or ""]
            assert question.answer.payload == digest_payload(run.inputs, run.outputs)
        if question.ask.kind is Kind.TRACE:
            ids = [run.id for run in runs if run.trace_id == question.ask.trace_id]
            assert question.answer.digest == digest_ids(ids)


def test_statistics_equal_sums_over_the_runs(runs: list[Run], questions: list[Question]) -> None:
    asked = [q for q in questions if q.ask.kind in {Kind.STATS, Kind.GROUPED}]
    assert asked
    for question in asked:
        found = _matching(runs, question.ask)
        if question.answer.numbers is not None:
            _check_sums(question.answer.numbers, found)
            took = sorted(run.duration_us for run in found if run.duration_us is not None)
            allowed = question.answer.numbers.latency_p50_s
            assert (allowed is None) == (not took)
            assert allowed is None or allowed[0] * 1e6 <= statistics.median(took) <= allowed[1] * 1e6
        else:
            assert set(question.answer.groups) == {run.model for run in found}
        for name, numbers in question.answer.groups.items():
            _check_sums(numbers, [run for run in found if run.model == name])


def _check_sums(numbers: Numbers, runs: list[Run]) -> None:
    assert numbers.run_count == len(runs)
    assert numbers.error_count == sum(run.error is not None for run in runs)
    assert numbers.total_tokens == sum(run.usage.prompt + run.usage.completion for run in runs if run.usage)


def test_threads_are_listed_by_their_newest_root(runs: list[Run], questions: list[Question]) -> None:
    for question in (q for q in questions if q.ask.kind is Kind.THREADS):
        roots = [run for run in _matching(runs, question.ask) if run.is_root]
        order = list(dict.fromkeys(run.metadata["thread_id"] for run in roots))
        assert list(question.answer.threads) == order[: question.ask.limit]


def test_the_same_seed_gives_the_same_runs_and_another_seed_others(runs: list[Run]) -> None:
    assert list(generate_runs(WORKLOAD)) == runs
    assert [run.id for run in generate_runs(Workload(runs=500, seed=4))] != [run.id for run in runs]


def test_needles_are_where_they_were_put_and_nowhere_else(runs: list[Run]) -> None:
    for needle in (*RARE, *PHRASES, *CJK):
        carriers = {run.id for run in runs if needle.text in _text(run)}
        assert carriers == {run.id for run in runs if needle in run.needles}
        assert carriers
    assert not [word for word in ABSENT if any(word in _text(run) for run in runs)]


def test_traces_are_trees_in_order_of_time(runs: list[Run]) -> None:
    by_id = {run.id: run for run in runs}
    assert len(by_id) == WORKLOAD.runs
    for run in runs:
        steps = run.dotted_order.split(".")
        assert steps[-1].endswith(run.id)
        assert run.trace_id == steps[0].split("Z")[1]
        if run.parent_id is not None:
            parent = by_id[run.parent_id]
            assert run.dotted_order.startswith(parent.dotted_order + ".")
            assert run.start_us >= parent.start_us
            assert run.end_us is None or parent.end_us is None or run.end_us <= parent.end_us


@pytest.mark.parametrize("lifecycle", list(Lifecycle))
def test_operations_together_hold_all_of_a_run(runs: list[Run], lifecycle: Lifecycle) -> None:
    run = next((run for run in generate_runs(Workload(runs=3_000, seed=5)) if run.lifecycle is lifecycle), None)
    assert run is not None
    first, second = split_run(run)
    parts = {name.split(".", 2)[-1]: data for name, data in (*first, *(second or ()))}
    assert msgspec.json.decode(parts["inputs"]) == run.inputs
    assert msgspec.json.decode(parts.get("outputs", b"null")) == run.outputs
    assert msgspec.json.decode(parts.get("error", b"null")) == run.error
    kinds = [parts[0][0].split(".")[0] for parts in (first, second) if parts]
    assert (
        kinds
        == {
            Lifecycle.WHOLE: ["post"],
            Lifecycle.NEVER_ENDED: ["post"],
            Lifecycle.START_END: ["post", "patch"],
            Lifecycle.END_START: ["patch", "post"],
        }[lifecycle]
    )


def test_ids_are_uuid7_in_order_of_start() -> None:
    early, late = uuid7(1_790_000_000_000_000, (1 << 74) - 1), uuid7(1_790_000_000_001_000, 0)
    assert early < late
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", early)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", late)


def test_bodies_hold_at_most_a_hundred_operations() -> None:
    writer = BodyWriter(io.BytesIO())
    for number in range(250):
        writer.add([(f"post.{number}", b"{}")])
    writer.close()
    assert writer.count == 3
    assert writer.raw_bytes == 500
