"""What the ``Client`` of the SDK can do beside tracing: single writes, batches, feedback, projects, statistics."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from langsmith import Client, uuid7
from langsmith.utils import LangSmithError

from contract.scenarios.sdk import PROJECT, Facts, give_feedback, main, order_segment

NOW = datetime.now(UTC)


@cache
def client() -> Client:
    return Client()


def _ingest(*runs: dict[str, Any]) -> None:
    """``batch_ingest_runs`` of copies, because it changes what it is given."""
    client().batch_ingest_runs(create=[dict(run) for run in runs])


def _complaint(call: Callable[[], Any]) -> list[str]:
    """The class and the text of the SDK's error."""
    try:
        call()
    except LangSmithError as error:
        return [type(error).__name__, str(error)]
    return ["no error", ""]


def _root(name: str, *, age_s: float = 10.0, **more: Any) -> dict[str, Any]:
    """A root run as batches carry it; ended a second after its start."""
    start_time = NOW - timedelta(seconds=age_s)
    identity = uuid7()
    return {
        "id": str(identity),
        "trace_id": str(identity),
        "dotted_order": order_segment(start_time, identity),
        "session_name": PROJECT,
        "name": name,
        "run_type": "chain",
        "start_time": start_time.isoformat(),
        "end_time": (start_time + timedelta(seconds=1)).isoformat(),
        "inputs": {"name": name},
        "outputs": {"echo": name},
        **more,
    }


def _facts(identity: UUID | str) -> Facts:
    run = client().read_run(identity)
    return {
        "name": run.name,
        "status": run.status,
        "inputs": run.inputs,
        "outputs": run.outputs,
        "error": run.error,
        "tags": run.tags,
        "trace is itself": run.trace_id == run.id,
        "dotted order ends with id": (run.dotted_order or "").endswith(str(run.id)),
        "parent": str(run.parent_run_id) if run.parent_run_id else None,
        "feedback": run.feedback_stats,
    }


def single_writes() -> Facts:
    """``create_run`` and ``update_run`` without trace id and dotted order go to the single-run endpoints."""
    identity = uuid7()
    client().create_run("Single", {"a": 1}, "tool", id=identity, project_name=PROJECT, tags=["kept"])
    before = _facts(identity)
    client().update_run(identity, outputs={"b": 2}, end_time=datetime.now(UTC))
    return {"before": before, "after": _facts(identity)}


def single_child() -> Facts:
    """A child that names its parent and nothing else is placed below it."""
    parent, child = uuid7(), uuid7()
    client().create_run("Lone parent", {}, "chain", id=parent, project_name=PROJECT)
    client().create_run("Lone child", {}, "tool", id=child, parent_run_id=parent, project_name=PROJECT)
    below = client().list_runs(project_name=PROJECT, parent_run_id=parent)
    run = client().read_run(child)
    return {
        "children": [found.name for found in below],
        "trace": run.trace_id == parent,
        "loaded": [found.name for found in client().read_run(parent, load_child_runs=True).child_runs or []],
        "order": [segment.split("Z")[1] for segment in (run.dotted_order or "").split(".")]
        == [str(parent), str(child)],
    }


def without_id() -> Facts:
    """The SDK makes an id when it is given none."""
    client().create_run("Anonymous", {"a": 1}, "chain", project_name=PROJECT, end_time=datetime.now(UTC))
    return [run.status for run in client().list_runs(project_name=PROJECT, filter='eq(name, "Anonymous")')]


def update_first() -> Facts:
    """A patch that arrives before its create is kept."""
    identity = uuid7()
    place: dict[str, Any] = {"trace_id": identity, "dotted_order": order_segment(NOW, identity)}
    client().update_run(identity, outputs={"late": False}, end_time=NOW + timedelta(seconds=2), **place)
    client().flush()
    client().create_run("Late", {"a": 1}, "chain", id=identity, project_name=PROJECT, start_time=NOW, **place)
    client().flush()
    found = client().list_runs(project_name=PROJECT, filter='eq(name, "Late")')
    return {"run": _facts(identity), "latency": [run.latency for run in found]}


def batch() -> Facts:
    """Creates and patches in one call of ``batch_ingest_runs``."""
    one, two, three = _root("Batch one"), _root("Batch two", error="no luck"), _root("Batch three")
    three.pop("end_time")
    three.pop("outputs")
    place = {key: three[key] for key in ("id", "trace_id", "dotted_order")}
    client().batch_ingest_runs(
        create=[dict(run) for run in (one, two, three)],
        update=[{**place, "end_time": NOW.isoformat(), "outputs": {"patched": True}, "tags": ["patched"]}],
    )
    return {run["name"]: _facts(run["id"]) for run in (one, two, three)}


def sent_twice() -> Facts:
    """The same run sent again is one run, and stays as it was first created."""
    run = _root("Twice")
    _ingest(run)
    _ingest({**run, "inputs": {"name": "changed"}})
    found = list(client().list_runs(project_name=PROJECT, filter='eq(name, "Twice")'))
    return {"ids": [str(one.id) for one in found] == [run["id"]], "inputs": [one.inputs for one in found]}


def many() -> Facts:
    """260 runs in three requests, listed by 250 and all: pages of 100 joined."""
    project = f"{PROJECT} many"
    runs = [_root(f"Many {number}", age_s=1000 - number, session_name=project) for number in range(260)]
    for begin in range(0, 260, 100):
        _ingest(*runs[begin : begin + 100])
    newest_first = [run["id"] for run in reversed(runs)]
    some = [str(run.id) for run in client().list_runs(project_name=project, limit=250)]
    every = [str(run.id) for run in client().list_runs(project_name=project)]
    ascending = [str(run.id) for run in client().list_runs(project_name=project, order="asc", limit=120)]
    return {
        "limit 250": some == newest_first[:250],
        "all": every == newest_first,
        "ascending": ascending == newest_first[::-1][:120],
        "counts": [len(some), len(every), len(ascending)],
    }


def feedback() -> Facts:
    """Feedback made in the background and in the foreground, read, changed and deleted."""
    run = _root("Judged")
    _ingest(run)
    quick = give_feedback(client(), run_id=run["id"], trace_id=run["trace_id"], key="quick", score=0.25, comment="ok")
    slow = give_feedback(client(), run_id=run["id"], key="slow", value="positive", source_info={"by": "hand"})
    flag = give_feedback(client(), run_id=run["id"], key="flag", score=True)
    client().flush()
    listed = {mark.key: mark for mark in client().list_feedback(run_ids=[run["id"]])}
    by_key = [str(mark.id) for mark in client().list_feedback(run_ids=[run["id"]], feedback_key=["slow"])]
    stats = _facts(run["id"])["feedback"]
    client().update_feedback(quick, score=0.75, comment="better")
    changed = client().read_feedback(quick)
    client().delete_feedback(slow)
    left = sorted(mark.key for mark in client().list_feedback(run_ids=[run["id"]]))
    return {
        "ids": {mark.key: str(mark.id) for mark in listed.values()}
        == {"quick": str(quick), "slow": str(slow), "flag": str(flag)},
        "quick": [listed["quick"].score, listed["quick"].comment, str(listed["quick"].run_id) == run["id"]],
        "slow": [
            listed["slow"].value,
            (listed["slow"].feedback_source or None) and listed["slow"].feedback_source.metadata,
        ],
        "flag": listed["flag"].score,
        "by key": by_key == [str(slow)],
        "stats": stats,
        "changed": [changed.score, changed.comment],
        "left": left,
        "deleted": _complaint(lambda: client().read_feedback(slow))[0],
    }


def feedback_before_run() -> Facts:
    """Feedback on a run that has not arrived yet is kept for it."""
    run = _root("Judged early")
    give_feedback(client(), run_id=run["id"], key="early", score=1)
    _ingest(run)
    found = client().list_runs(project_name=PROJECT, filter='and(eq(feedback_key, "early"), eq(feedback_score, 1))')
    return [one.name for one in found]


def projects() -> Facts:
    """A project from making to deleting."""
    name = f"{PROJECT} made"
    before = client().has_project(name)
    made = client().create_project(name, description="first", metadata={"team": "blue"})
    again = _complaint(lambda: client().create_project(name))[0]
    by_name = client().read_project(project_name=name)
    by_id = client().read_project(project_id=str(made.id))
    listed = [project.name for project in client().list_projects(name_contains=name)]
    tagged = [project.name for project in client().list_projects(metadata={"team": "blue"}, name_contains=name)]
    changed = client().update_project(made.id, description="second", end_time=NOW, metadata={"team": "red"})
    after = client().read_project(project_id=str(made.id))
    client().delete_project(project_name=name)
    return {
        "before": before,
        "again": again,
        "ids": by_name.id == by_id.id == made.id,
        "description": [made.description, by_name.description, changed.description, after.description],
        "metadata": [by_id.metadata, after.metadata],
        "ended": after.end_time is not None,
        "listed": [listed == [name], tagged == [name]],
        "deleted": [client().has_project(name), _complaint(lambda: client().read_project(project_id=str(made.id)))[0]],
    }


def upsert() -> Facts:
    """Making a project that exists, with leave to update it; 0.4 of the SDK forgets to pass the leave on."""
    name = f"{PROJECT} upserted"
    made = client().create_project(name, description="first")
    complaint = _complaint(lambda: client().create_project(name, upsert=True, description="second"))[0]
    stored = client().read_project(project_name=name)
    return {"complaint": complaint, "same": stored.id == made.id, "description": stored.description}


def project_statistics() -> Facts:
    project = f"{PROJECT} counted"
    usage = {"usage_metadata": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}}
    runs = [
        _root("Fine", session_name=project, run_type="llm", outputs=usage),
        _root("Fine", session_name=project, run_type="llm", outputs=usage),
        _root("Fine", session_name=project),
        _root("Bad", session_name=project, error="no"),
    ]
    _ingest(*runs)
    stats = client().get_run_stats(project_names=[project])
    bad = client().get_run_stats(project_names=[project], filter='eq(name, "Bad")')
    summary = client().read_project(project_name=project, include_stats=True)
    return {
        "stats": {
            key: stats.get(key) for key in ("run_count", "error_rate", "total_tokens", "prompt_tokens", "latency_p50")
        },
        "bad": {key: bad.get(key) for key in ("run_count", "error_rate")},
        "project": [summary.run_count, summary.total_tokens, summary.error_rate],
    }


def threads() -> Facts:
    """Turns of two threads by the SDK's thread methods, where it has them."""
    if not hasattr(Client, "list_threads"):
        return None
    project = f"{PROJECT} threads"
    turns = [
        _root(f"Turn {number}", age_s=100 - number, session_name=project, extra={"metadata": {key: thread}})
        for number, (key, thread) in enumerate((("session_id", "t1"), ("thread_id", "t1"), ("conversation_id", "t2")))
    ]
    _ingest(*turns)
    listed = {thread["thread_id"]: thread["count"] for thread in client().list_threads(project_name=project)}
    return {"listed": listed, "read": [run.name for run in client().read_thread(thread_id="t1", project_name=project)]}


def complaints() -> Facts:
    """What a caller sees of our errors."""

    def broken_filter(text: str) -> list[str]:
        return _complaint(lambda: list(client().list_runs(project_name=PROJECT, filter=text)))

    return {
        "no run": _complaint(lambda: client().read_run(uuid7())),
        "no project": _complaint(lambda: client().read_project(project_name="no such project")),
        "syntax": broken_filter('and(eq(name, "a"), eq(name'),
        "field": broken_filter('eq(nmae, "a")'),
        "infix": broken_filter('eq(name, "a") and eq(name, "b")'),
    }


def sdk() -> Facts:
    """Which release this is, by what its feedback method knows."""
    return "session_id" in inspect.signature(Client.create_feedback).parameters


if __name__ == "__main__":
    main(
        (
            sdk,
            single_writes,
            single_child,
            without_id,
            update_first,
            batch,
            sent_twice,
            many,
            feedback,
            feedback_before_run,
            projects,
            upsert,
            project_statistics,
            threads,
            complaints,
        )
    )
