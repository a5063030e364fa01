"""Seeds ``page_population`` through the SDK, asks every example of ``page_cases`` and prints the ids that came back.

Facts: ``seed`` gives the ids by key; ``ask`` gives for each example the ids in the order of arrival, or the text of the
exception; ``tools_by_trace`` and ``retriever_io`` are the two programs at the end of the page; ``single_run`` is
``read_run``.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from langsmith import Client

from contract.scenarios.page_cases import CASES, World
from contract.scenarios.page_population import SEEDS, Seed
from contract.scenarios.sdk import PROJECT, Facts, give_feedback, main, order_segment, run_id

NOW = datetime.now(UTC)
IDS = {seed.key: run_id(seed.starts_at(NOW), seed.key) for seed in SEEDS}
BY_KEY = {seed.key: seed for seed in SEEDS}


@cache
def client() -> Client:
    return Client()


def _place(seed: Seed) -> tuple[UUID, str]:
    """The trace id and the dotted order."""
    segment = order_segment(seed.starts_at(NOW), IDS[seed.key])
    if seed.parent is None:
        return IDS[seed.key], segment
    trace_id, above = _place(BY_KEY[seed.parent])
    return trace_id, f"{above}.{segment}"


def _send(seed: Seed) -> None:
    trace_id, dotted_order = _place(seed)
    start_time = seed.starts_at(NOW)
    parent_id = None if seed.parent is None else IDS[seed.parent]
    place: dict[str, Any] = {"trace_id": trace_id, "dotted_order": dotted_order, "parent_run_id": parent_id}
    client().create_run(
        seed.name,
        dict(seed.inputs),
        seed.run_type,  # type: ignore[arg-type]  # plain data cannot name the SDK's literal
        id=IDS[seed.key],
        project_name=PROJECT,
        start_time=start_time,
        tags=list(seed.tags),
        extra={"metadata": dict(seed.metadata)},
        **place,
    )
    if seed.latency_s is None:
        return
    client().update_run(
        IDS[seed.key],
        end_time=start_time + timedelta(seconds=seed.latency_s),
        outputs=_outputs(seed),
        error=seed.error,
        **place,
    )


def _outputs(seed: Seed) -> dict[str, Any]:
    if seed.tokens is None:
        return dict(seed.outputs)
    prompt, completion = seed.tokens
    usage = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    return {**seed.outputs, "usage_metadata": usage}


def seed() -> Facts:
    for one in SEEDS:
        _send(one)
    client().flush()
    for one in SEEDS:
        trace_id, _ = _place(one)
        for key, score in one.marks.items():
            give_feedback(client(), run_id=IDS[one.key], trace_id=trace_id, key=key, score=score)
    client().flush()
    return {key: str(identity) for key, identity in IDS.items()}


def ask() -> Facts:
    world = World(project=PROJECT, ids={key: str(identity) for key, identity in IDS.items()}, now=NOW)
    answers: dict[str, Facts] = {}
    for case in CASES:
        try:
            answers[case.name] = [str(run.id) for run in client().list_runs(**case.ask(world))]
        except Exception as error:  # noqa: BLE001 -- told to the test of this example alone
            answers[case.name] = repr(error)
    return answers


def single_run() -> Facts:
    run = client().read_run(IDS["good.retrieve"])
    return {"name": run.name, "inputs": run.inputs, "outputs": run.outputs, "parent": str(run.parent_run_id)}


def tools_by_trace() -> Facts:
    """The page's flattened trace view: tools of each trace, then their roots by id, asked in two threads."""
    since = datetime.now() - timedelta(days=30)  # noqa: DTZ005 -- as documented; the scenario runs in UTC
    tool_runs = client().list_runs(
        project_name=PROJECT, start_time=since, run_type="tool", select=["trace_id", "name", "run_type"]
    )
    tools: dict[UUID, set[str]] = defaultdict(set)
    for run in tool_runs:
        tools[run.trace_id].add(run.name)
    with ThreadPoolExecutor(max_workers=2) as executor:
        pages = [
            executor.submit(
                client().list_runs,
                project_name=PROJECT,
                run_ids=[trace_id],
                select=["name", "inputs", "outputs", "run_type"],
            )
            for trace_id in tools
        ]
    roots = [root for page in pages for root in page.result()]
    return {str(root.id): {"name": root.name, "inputs": root.inputs, "tools": sorted(tools[root.id])} for root in roots}


def retriever_io() -> Facts:
    """The page's export of what retrievers were asked and gave, in traces that a user scored."""
    since = datetime.now() - timedelta(days=1)  # noqa: DTZ005 -- as documented; the scenario runs in UTC
    runs = client().list_runs(
        project_name=PROJECT,
        start_time=since,
        run_type="retriever",
        select=["trace_id", "name", "run_type", "inputs", "outputs"],
        trace_filter='eq(feedback_key, "user_score")',
    )
    rows: dict[UUID, dict[str, Any]] = {run.trace_id: {**run.inputs, **(run.outputs or {})} for run in runs}
    roots = client().list_runs(
        project_name=PROJECT,
        run_ids=list(rows),
        select=["name", "inputs", "outputs", "run_type", "feedback_stats"],
    )
    return {
        str(root.id): {
            **rows[root.id],
            "feedback": {key: stats.get("avg") for key, stats in (root.feedback_stats or {}).items()},
        }
        for root in roots
    }


if __name__ == "__main__":
    main((seed, ask, single_run, tools_by_trace, retriever_io))
