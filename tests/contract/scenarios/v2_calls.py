"""The generated client inside the SDK: runs, traces, threads, projects, shares and statistics of the v2 API.

Only the current SDK has it. Two threads of traces are written, the second one with a failed turn.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from langsmith import Client, uuid7
from langsmith._internal._v2_migration_utils import _load_nested_traces_v2
from langsmith.utils import LangSmithError

from contract.scenarios.sdk import PROJECT, Facts, give_feedback, main, order_segment

NOW = datetime.now(UTC)


@cache
def client() -> Client:
    return Client()


def api() -> Any:
    """The generated client, in its form without ``await``, which the SDK uses itself."""
    return client()._get_langsmith_api_sync()


def _turn(number: int, thread: str, *, error: str | None = None) -> list[dict[str, Any]]:
    """A root without tokens and below it a model call with seven of them."""
    start_time = NOW - timedelta(minutes=30 - number)
    root, call = uuid7(), uuid7()
    first = order_segment(start_time, root)
    shared = {"session_name": PROJECT, "trace_id": str(root), "start_time": start_time.isoformat()}
    metadata = {"thread_id": thread, "kind": "v2"}
    return [
        {
            **shared,
            "id": str(root),
            "dotted_order": first,
            "name": f"turn {number}",
            "run_type": "chain",
            "end_time": (start_time + timedelta(seconds=number + 1)).isoformat(),
            "inputs": {"messages": [{"role": "user", "content": f"question {number}"}]},
            "outputs": None if error else {"messages": [{"role": "assistant", "content": f"answer {number}"}]},
            "error": error,
            "tags": ["turn"],
            "extra": {"metadata": metadata},
        },
        {
            **shared,
            "id": str(call),
            "parent_run_id": str(root),
            "dotted_order": f"{first}.{order_segment(start_time, call)}",
            "name": "model",
            "run_type": "llm",
            "end_time": (start_time + timedelta(seconds=1)).isoformat(),
            "inputs": {"messages": []},
            "outputs": {
                "usage_metadata": {
                    "input_tokens": 4,
                    "output_tokens": 3,
                    "total_tokens": 7,
                    "input_token_details": {"cache_read": 2},
                    "total_cost": 0.5,
                    "input_cost": 0.2,
                    "output_cost": 0.3,
                }
            },
            "events": [{"name": "new_token", "time": start_time.isoformat()}, {"name": "retry", "kwargs": {"n": 1}}],
        },
    ]


@cache
def written() -> list[list[dict[str, Any]]]:
    """The traces, oldest first: two of thread a, one of thread b, one of thread a that failed."""
    turns = [_turn(0, "a"), _turn(1, "a"), _turn(2, "b"), _turn(3, "a", error="Boom: no more")]
    client().batch_ingest_runs(create=[dict(run) for turn in turns for run in turn])
    give_feedback(client(), run_id=turns[0][0]["id"], key="liked", score=1)
    client().flush()
    return turns


@cache
def project() -> str:
    written()
    return str(client().read_project(project_name=PROJECT).id)


def runs_query() -> Facts:
    found = list(
        api().runs.query_v2(
            project_ids=[project()],
            selects=["ID", "NAME", "RUN_TYPE", "STATUS", "TOTAL_TOKENS", "METADATA", "IS_ROOT", "PARENT_RUN_IDS"],
            filter="eq(is_root, true)",
            page_size=2,
        )
    )
    return {
        "names": [run.name for run in found],
        "status": [run.status for run in found],
        "type": found[0].run_type,
        "metadata": found[0].metadata,
        "own tokens": [run.total_tokens for run in found],
        "only id": sorted(next(iter(api().runs.query_v2(project_ids=[project()], page_size=1))).model_fields_set),
    }


def subtree() -> Facts:
    found = api().runs.query_v2(
        project_ids=[project()],
        is_root=True,
        include_subtree_usage=True,
        selects=["NAME", "TOTAL_TOKENS", "TOTAL_COST", "PROMPT_TOKEN_DETAILS", "FIRST_TOKEN_TIME"],
    )
    run = next(iter(found))
    return {
        "tokens": run.total_tokens,
        "cost": run.total_cost,
        "details": run.prompt_token_details.raw,
        "first token": run.first_token_time is not None,
    }


def retrieve() -> Facts:
    root, call = written()[0]
    run = api().runs.retrieve_v2(
        call["id"],
        project_id=project(),
        selects=["ID", "TRACE_ID", "EVENTS", "OUTPUTS", "LATENCY_SECONDS", "START_TIME", "PROJECT_ID", "APP_PATH"],
    )
    url = api().runs.get_url(call["id"], project_id=project(), trace_id=root["id"]).url
    return {
        "is it": run.id == call["id"] and run.trace_id == root["id"] and run.project_id == project(),
        "events": [[event.name, event.kwargs] for event in run.events],
        "latency": run.latency_seconds,
        "zone": str(run.start_time.tzinfo),
        "url": call["id"] in url,
    }


def streaming() -> Facts:
    with_stream = api().runs.streaming.query_v2(
        project_ids=[project()], is_root=True, selects=["NAME"], page_size=3, accept="text/event-stream"
    )
    names = [op.value["name"] for event in with_stream for op in event if op.path == "/items/-"]
    return {"names": names}


def traces() -> Facts:
    found = list(
        api().traces.query(
            project_id=project(),
            selects=["NAME", "TOTAL_TOKENS", "TOTAL_COST", "FIRST_TOKEN_TIME"],
            tree_filter='eq(run_type, "llm")',
            trace_filter="neq(error, null)",
        )
    )
    expensive = api().traces.query(
        project_id=project(), selects=["NAME"], trace_filter="and(gte(total_tokens, 7), eq(error, null))"
    )
    costly_turns = api().threads.list_traces(
        "a", project_id=project(), selects=["NAME"], trace_filter="gt(total_cost, 0.4)"
    )
    costly = api().threads.query(project_id=project(), trace_filter="gt(total_cost, 0.5)")
    listed = api().traces.list_runs(written()[0][0]["id"], project_id=project(), selects=["NAME", "DOTTED_ORDER"])
    return {
        "names": [trace.root_run.name for trace in found],
        "tokens": found[0].trace_aggregates.total_tokens,
        "cost": found[0].trace_aggregates.total_cost,
        "runs": [run.name for run in listed.items],
        "with seven tokens": [trace.root_run.name for trace in expensive],
        "costly": [len(list(costly_turns)), len(list(costly))],
    }


def threads() -> Facts:
    found = list(api().threads.query(project_id=project(), page_size=1))
    first = found[0]
    return {
        "threads": [[thread.thread_id, thread.count, thread.num_errored_turns] for thread in found],
        "inputs": first.first_inputs,
        "outputs": [thread.last_outputs for thread in found],
        "error": first.last_error,
        "tokens": [thread.total_tokens for thread in found],
        "cost": first.total_cost,
        "details": first.total_token_details,
        "liked": first.feedback_stats["liked"].n,
        "p50": first.latency_p50,
        "failed only": [
            thread.thread_id for thread in api().threads.query(project_id=project(), trace_filter="neq(error, null)")
        ],
        "turns that went well": [
            [thread.thread_id, thread.count]
            for thread in api().threads.query(project_id=project(), filter="eq(error, null)")
        ],
    }


def turns() -> Facts:
    found = list(
        api().threads.list_traces(
            "a",
            project_id=project(),
            page_size=2,
            filter="eq(error, null)",
            selects=["NAME", "TURN_NUMBER", "TOTAL_TOKENS", "LATENCY", "INPUTS_PREVIEW", "OP", "THREAD_ID"],
        )
    )
    return {
        "turns": [[turn.name, turn.turn_number, turn.total_tokens, turn.latency] for turn in found],
        "preview": found[0].inputs_preview,
        "trace": found[0].trace_id == written()[0][0]["id"],
    }


def thread_stats() -> Facts:
    one = api().threads.stats(
        "a",
        session_id=project(),
        selects=["TURNS", "TOTAL_TOKENS", "TOTAL_COST", "LATENCY_P50", "PROMPT_TOKEN_DETAILS", "FEEDBACK_STATS"],
    )
    every = api().threads.aggregate_stats(
        project_id=project(),
        select=["THREAD_COUNT", "TRACE_COUNT", "TOTAL_TOKENS", "ERROR_RATE", "LATENCY_P50", "MEDIAN_TOKENS"],
    )
    return {
        "one": [one.turns, one.total_tokens, one.total_cost, one.latency_p50_seconds, one.prompt_token_details.raw],
        "liked": one.feedback_stats["liked"].avg,
        "every": [
            every.thread_count,
            every.trace_count,
            every.total_tokens,
            every.error_rate,
            every.latency_p50_seconds,
            every.median_tokens,
        ],
    }


def thread_feedback() -> Facts:
    """As clients send it who judge a whole conversation: the project and the thread, and no run."""
    judgement = {"id": str(uuid7()), "key": "solved", "session_id": project(), "feedback_thread_id": "b"}
    for score in (0.25, 0.75):
        client().request_with_retries("POST", "/feedback", json={**judgement, "score": score})
    liked = {**judgement, "id": str(uuid7()), "key": "liked", "feedback_thread_id": "a", "score": 0}
    client().request_with_retries("POST", "/feedback", json=liked)
    found = {thread.thread_id: thread.feedback_stats for thread in api().threads.query(project_id=project())}
    one = api().threads.stats("b", session_id=project(), selects=["FEEDBACK_STATS"])
    every = api().threads.aggregate_stats(project_id=project(), select=["THREAD_FEEDBACK_STATS"])
    other = api().threads.aggregate_stats(
        project_id=project(), select=["THREAD_FEEDBACK_STATS"], trace_filter="neq(error, null)"
    )
    shown = client().read_feedback(judgement["id"])
    (listed,) = client().request_with_retries("GET", "/feedback", params={"feedback_thread_id": "b"}).json()
    levels = {
        level: client().request_with_retries("GET", "/feedback", params={"session": project(), "level": level}).json()
        for level in ("thread", "session")
    }
    kept = client().read_project(project_id=project(), include_stats=True)
    client().delete_feedback(judgement["id"])
    after = {thread.thread_id: thread.feedback_stats for thread in api().threads.query(project_id=project())}
    return {
        "b": [[key, stats.avg, stats.contains_thread_feedback] for key, stats in found["b"].items()],
        "a": [[key, stats.n, stats.avg, stats.contains_thread_feedback] for key, stats in found["a"].items()],
        "stats": one.feedback_stats["solved"].avg,
        "every": {key: stats.n for key, stats in every.thread_feedback_stats.items()},
        "of some": sorted(other.thread_feedback_stats),
        "shown": [shown.run_id, shown.trace_id, shown.score, listed["feedback_thread_id"]],
        "levels": {level: sorted(item["key"] for item in items) for level, items in levels.items()},
        "project": kept.session_feedback_stats,
        "after": sorted(after["b"]),
    }


def shares() -> Facts:
    root, call = written()[0]
    token = api().runs.share.create(root["id"], session_id=project(), trace_id=root["id"]).share_token
    again = client().share_run(root["id"])
    public = api().public.runs.query(token, selects=["NAME", "TRACE_ID"])
    one = api().public.runs.retrieve(call["id"], share_token=token, selects=["NAME"], start_time=call["start_time"])
    shown = api().runs.retrieve_v2(root["id"], project_id=project(), selects=["SHARE_URL"])
    facts = {
        "same token": token in again and token in shown.share_url,
        "shared": client().run_is_shared(root["id"]),
        "public": sorted(run.name for run in public.items),
        "one": one.name,
        "v1 run": client().read_shared_run(token).name,
        "v1 runs": sorted(run.name for run in client().list_shared_runs(token)),
    }
    api().runs.share.delete(root["id"], session_id=project())
    client().unshare_run(root["id"])
    try:
        api().public.runs.query(token, selects=["NAME"])
        gone = "still open"
    except Exception as error:  # noqa: BLE001 - its kind is the fact
        gone = type(error).__name__
    return {**facts, "gone": gone, "shared then": client().run_is_shared(root["id"])}


def shared_thread() -> Facts:
    token = api().threads.share.create("b", project_id=project()).share_token
    found = api().public.runs.query(token, selects=["NAME"])
    known = api().threads.share.retrieve("b", project_id=project()).share_token == token
    api().threads.share.delete("b", project_id=project())
    return {
        "runs": sorted(run.name for run in found.items),
        "known": known,
        "gone": api().threads.share.retrieve("b", project_id=project()).share_token,
    }


def projects() -> Facts:
    made = api().sessions.create_v2(type="PROJECT", name=f"{PROJECT} two", extra={"metadata": {"a": 1}})
    api().sessions.update_v2(made.id, description="changed", trace_tier="LONG_LIVED")
    read = api().sessions.retrieve_v2(made.id)
    listed = list(api().sessions.list_v2(name_contains=PROJECT, page_size=1, include_stats=True))
    return {
        "read": [read.name == f"{PROJECT} two", read.description, read.trace_tier, read.type],
        "listed": len(listed),
        "counts": sorted(session.run_count for session in listed),
        "costs": sorted(session.total_cost or 0 for session in listed),
    }


def annotation_queues() -> Facts:
    roots = [runs[0]["id"] for runs in written()]
    rubric: list[Any] = [{"feedback_key": "liked", "description": "was it?"}]
    made = client().create_annotation_queue(name=f"{PROJECT} queue", rubric_instructions="look", rubric_items=rubric)
    client().update_annotation_queue(made.id, description="changed")
    read = client().read_annotation_queue(made.id)
    client().add_runs_to_annotation_queue(made.id, run_ids=roots[:2])
    key = {"run_id": roots[2], "session_id": project(), "start_time": NOW}
    client().add_runs_to_annotation_queue(made.id, runs=[key, {**key, "run_id": roots[0]}])
    listed = list(client().list_runs_from_annotation_queue(made.id))
    second = client().get_run_from_annotation_queue(made.id, index=1)
    client().delete_run_from_annotation_queue(made.id, run_id=roots[1])
    left = [run.name for run in client().list_runs_from_annotation_queue(made.id, limit=1)]
    try:
        client().get_run_from_annotation_queue(made.id, index=2)
        beyond = "a run"
    except LangSmithError as error:
        beyond = type(error).__name__
    done = list(client().list_runs_from_annotation_queue(made.id, status="completed"))
    found = [queue.id == made.id for queue in client().list_annotation_queues(queue_ids=[made.id], limit=2)]
    named = [queue.id == made.id for queue in client().list_annotation_queues(name_contains=f"{PROJECT} Q")]
    client().delete_annotation_queue(made.id)
    return {
        "read": [read.description, read.rubric_instructions, read.rubric_items],
        "listed": [[run.name, run.added_at is not None] for run in listed],
        "second": second.name,
        "left": left,
        "beyond": beyond,
        "done": len(done),
        "found": [found, named],
        "gone": list(client().list_annotation_queues(name=f"{PROJECT} queue")),
    }


def nested_traces() -> Facts:
    """What evaluators load, from the start of the project on, which the first batch made; its root comes last in it."""
    name = f"{PROJECT} made by its runs"
    runs = [{**run, "session_name": name} for run in reversed(_turn(0, "nested"))]
    client().batch_ingest_runs(create=runs)
    loaded = _load_nested_traces_v2(name, client())
    started = client().read_project(project_name=name).start_time
    return {
        "loaded": [[root.name, [run.name for run in root.child_runs or []]] for root in loaded],
        "starts with its first run": started.replace(tzinfo=UTC) == NOW - timedelta(minutes=30),
    }


def datasets() -> Facts:
    """Three of them, one with an experiment; the walk goes on when one more is made in the middle of it."""
    name = f"{PROJECT} dataset"
    made = [client().create_dataset(f"{name} {letter}", metadata={"kind": letter}) for letter in "abc"]
    client().create_example(inputs={"a": 1}, dataset_id=made[1].id)
    client().create_project(f"{name} experiment", reference_dataset_id=made[1].id)
    listed = api().datasets.list_v2
    first = listed(name_contains=name, page_size=2)
    client().create_dataset(f"{name} d")
    by_experiment = listed(name_contains=name, sort_by="last_session_start_time", sort_order="asc", page_size=1)
    excluded = listed(id=[str(made[1].id)], exclude=["example_count"])
    wanted = listed(metadata='{"kind": "c"}', name_contains=name, data_type=["kv", "chat"])
    return {
        "walk": [dataset.name[-1] for dataset in first],
        "by name": [dataset.name[-1] for dataset in listed(name_contains=name, sort_by="name", page_size=1)][::-1],
        "by experiment": [dataset.name[-1] for dataset in by_experiment],
        "examples": [dataset.example_count for dataset in listed(name=f"{name} b")],
        "excluded": [[dataset.example_count, dataset.session_count] for dataset in excluded],
        "wanted": [[dataset.name[-1], dataset.metadata["kind"], dataset.created_at.tzname()] for dataset in wanted],
    }


def mistakes() -> Facts:
    answers: list[str | list[Any]] = []
    calls: list[Callable[[], Any]] = [
        lambda: api().runs.query_v2(project_ids=[project()], filter="eq(nmae, 1)"),
        lambda: api().runs.query_v2(project_ids=[]),
        lambda: api().threads.query(project_id=project(), thread_filter="gt(count, 1)"),
        lambda: api().runs.query_v2(project_ids=[project()], ai_search="slow runs"),
    ]
    for call in calls:
        try:
            list(call())
            answers.append("no error")
        except Exception as error:  # noqa: BLE001 - its kind is the fact
            answers.append([type(error).__name__, sorted(getattr(error, "body", None) or {})])
    return answers


if __name__ == "__main__":
    main(
        [
            runs_query,
            subtree,
            retrieve,
            streaming,
            traces,
            threads,
            turns,
            thread_stats,
            thread_feedback,
            shares,
            shared_thread,
            projects,
            annotation_queues,
            nested_traces,
            datasets,
            mistakes,
        ]
    )
