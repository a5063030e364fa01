"""Programs that trace themselves the ways the SDK offers, and what the server has of them afterwards.

Each step traces something and returns the runs of its trace by name (see ``_trace_facts``) or what else it is about.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from langsmith import Client, RunTree, get_current_run_tree, trace, traceable, tracing_context, uuid7
from langsmith.schemas import Attachment, Run

from contract.scenarios.sdk import PROJECT, Facts, default_client, main

USAGE = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
MODEL = {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}
VISIBLE_WITHIN_S = 5.0


def _trace_of_current_run() -> UUID:
    tree = get_current_run_tree()
    if tree is None:
        raise RuntimeError("tracing is off")
    return tree.trace_id


def _trace_facts(trace_id: UUID, client: Client | None = None) -> Facts:
    """The stored runs of a trace by name; a parent is given by name, the dotted order by the names along it."""
    reader = client or default_client()
    reader.flush()
    runs = list(reader.list_runs(trace_id=trace_id))
    names = {str(run.id): run.name for run in runs}
    return {run.name: _run_facts(run, names) for run in runs} | {"run count": len(runs)}


def _run_facts(run: Run, names: dict[str, str]) -> Facts:
    path = [names.get(segment.split("Z")[1], "?") for segment in (run.dotted_order or "").split(".")]
    return {
        "type": run.run_type,
        "parent": names.get(str(run.parent_run_id)),
        "path": path,
        "status": run.status,
        "ended": run.end_time is not None,
        "inputs": run.inputs,
        "outputs": run.outputs,
        "error": run.error,
        "tags": sorted(run.tags or []),
        "metadata": run.metadata,
        "events": [event.get("name") for event in run.events or []],
        "first_token": run.first_token_time is not None,
        "tokens": [run.prompt_tokens, run.completion_tokens, run.total_tokens],
    }


@traceable(run_type="tool", name="Lookup", tags=["inner"], metadata={"shard": "7"})
def look_up(word: str) -> dict[str, Any]:
    return {"definition": f"{word} is a word"}


@traceable(run_type="llm", name="Model", metadata=MODEL)
def call_model(messages: list[dict[str, str]]) -> dict[str, Any]:
    return {"role": "assistant", "content": f"{len(messages)} read", "usage_metadata": USAGE}


@traceable(name="Agent", tags=["outer"], metadata={"user_id": "u1", "thread_id": "th-1"})
def run_agent(question: str) -> dict[str, Any]:
    found = look_up(question)
    said = call_model([{"role": "user", "content": str(found)}])
    return {"answer": said["content"], "trace_id": str(_trace_of_current_run())}


def nested() -> Facts:
    return _trace_facts(UUID(run_agent("zebra")["trace_id"]))


@traceable(run_type="tool", name="Async tool")
async def fetch(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


@traceable(name="Async agent")
async def gather_numbers() -> dict[str, Any]:
    doubled = await asyncio.gather(*(fetch(number, langsmith_extra={"name": f"Async {number}"}) for number in (1, 2)))
    return {"doubled": doubled, "trace_id": str(_trace_of_current_run())}


def asynchronous() -> Facts:
    return _trace_facts(UUID(asyncio.run(gather_numbers())["trace_id"]))


def _join_chunks(chunks: Sequence[str]) -> dict[str, Any]:
    return {"content": "".join(chunks), "usage_metadata": USAGE}


@traceable(run_type="llm", name="Streaming model", metadata=MODEL, reduce_fn=_join_chunks)
def stream_words(prompt: str) -> Iterator[str]:
    yield from ("Hello", ", ", prompt)


@traceable(run_type="llm", name="Async streaming model", reduce_fn=_join_chunks)
async def stream_words_async(prompt: str) -> AsyncIterator[str]:
    for word in ("Good ", "day, ", prompt):
        yield word


@traceable(name="Streaming agent")
async def collect_streams() -> dict[str, Any]:
    words = list(stream_words("world"))
    words += [word async for word in stream_words_async("sir")]
    return {"words": words, "trace_id": str(_trace_of_current_run())}


def streaming() -> Facts:
    return _trace_facts(UUID(asyncio.run(collect_streams())["trace_id"]))


@traceable(run_type="tool", name="Broken tool")
def break_tool(order: str) -> None:
    raise KeyError(order)


@traceable(name="Patient agent")
def survive_failure() -> dict[str, Any]:
    try:
        break_tool("A-17")
    except KeyError as error:
        return {"excuse": repr(error), "trace_id": str(_trace_of_current_run())}
    return {}


@traceable(name="Failing agent")
def pass_failure_on(seen: list[UUID]) -> None:
    seen.append(_trace_of_current_run())
    break_tool("B-18")


def errors() -> Facts:
    caught = _trace_facts(UUID(survive_failure()["trace_id"]))
    seen: list[UUID] = []
    try:
        pass_failure_on(seen)
    except KeyError:
        return {"caught": caught, "raised": _trace_facts(seen[0])}
    raise RuntimeError("the tool did not fail")


def context_manager() -> Facts:
    client = default_client()
    with trace(
        "Manual", run_type="chain", inputs={"a": 1}, tags=["by hand"], metadata={"env": "test"}, client=client
    ) as outer:
        with trace("Manual step", run_type="retriever", inputs={"q": "x"}, client=client) as inner:
            inner.add_metadata({"late": "yes"})
            inner.end(outputs={"documents": [{"page_content": "d", "type": "Document"}]})
        outer.end(outputs={"b": 2})
    return _trace_facts(outer.trace_id)


def run_tree() -> Facts:
    """A tree sent by hand: what is stored while it runs, and after it has ended."""
    client = default_client()
    root = RunTree(name="Tree", run_type="chain", inputs={"step": 0}, ls_client=client, tags=["t"])
    root.post()
    child = root.create_child(name="Tree child", run_type="tool", inputs={"step": 1})
    child.post()
    running = _trace_facts(root.trace_id, client)
    child.end(outputs={"done": True})
    child.patch()
    root.end(error="gave up")
    root.patch()
    return {"running": running, "ended": _trace_facts(root.trace_id, client)}


@traceable(name="Configured")
def do_nothing(number: int) -> int:
    return number


def call_options() -> Facts:
    """Id, name, tags, metadata and project given with the call."""
    identity = uuid7()
    do_nothing(
        4,
        langsmith_extra={
            "run_id": identity,
            "name": "Renamed",
            "tags": ["from call"],
            "metadata": {"from": "call"},
            "project_name": f"{PROJECT} aside",
        },
    )
    client = default_client()
    client.flush()
    project = client.read_project(project_name=f"{PROJECT} aside")
    return {
        "id kept": str(client.read_run(identity).id) == str(identity),
        "in project": [str(run.id) for run in client.list_runs(project_id=project.id)] == [str(identity)],
        **_trace_facts(identity),
    }


def distributed() -> Facts:
    """A trace continued from the headers of another program."""
    with trace("Caller", client=default_client()) as caller:
        headers = caller.to_headers()
    with tracing_context(parent=headers):
        do_nothing(5, langsmith_extra={"name": "Callee"})
    return _trace_facts(caller.trace_id)


def disabled() -> Facts:
    """Nothing is sent where tracing is off."""
    identity = uuid7()
    with tracing_context(enabled=False):
        do_nothing(6, langsmith_extra={"run_id": identity})
    client = default_client()
    client.flush()
    return [str(run.id) for run in client.list_runs(run_ids=[identity])]


@traceable(name="With files")
def look_at(picture: Attachment, note: str) -> dict[str, Any]:
    return {"note": note, "bytes": len(picture.data) if isinstance(picture.data, bytes) else 0}


def attachments() -> Facts:
    identity = uuid7()
    content = bytes(range(256)) * 20 + b"\r\n--boundary\r\n"
    look_at(Attachment(mime_type="image/png", data=content), "see", langsmith_extra={"run_id": identity})
    client = default_client()
    client.flush()
    stored = client.read_run(identity).attachments or {}
    return {
        "names": sorted(stored),
        "types": [file["mime_type"] for file in stored.values()],
        "same bytes": [file["reader"].read() == content for file in stored.values()],
        "inputs": client.read_run(identity).inputs,
    }


def _wait_until(is_so: Callable[[], bool]) -> float:
    """Milliseconds until ``is_so``; gives up after ``VISIBLE_WITHIN_S``."""
    begin = time.monotonic()
    while not is_so():
        if time.monotonic() - begin > VISIBLE_WITHIN_S:
            raise TimeoutError(f"not visible within {VISIBLE_WITHIN_S} s of the flush")
        time.sleep(0.01)
    return (time.monotonic() - begin) * 1000


def visible() -> Facts:
    """How long after ``flush`` a run is found by listing, in milliseconds, five times."""
    client = default_client()
    delays = []
    for number in range(5):
        identity = uuid7()
        do_nothing(number, langsmith_extra={"run_id": identity, "tags": [f"tag {identity}"]})
        client.flush()
        text = f'has(tags, "tag {identity}")'
        delays.append(_wait_until(lambda text=text: any(client.list_runs(project_name=PROJECT, filter=text))))  # type: ignore[misc]  # mypy does not see the default's type
    return delays


def transport() -> Facts:
    """Whether the SDK sends compressed, and what it says of the server."""
    client = default_client()
    client.create_run(
        "first",
        {},
        "chain",
        id=(identity := uuid7()),
        trace_id=identity,
        project_name=PROJECT,
        dotted_order=f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z{identity}",
    )
    client.flush()
    return {"compressed": client.compressed_traces is not None, "version": client.info.version}


if __name__ == "__main__":
    main(
        (
            transport,
            nested,
            asynchronous,
            streaming,
            errors,
            context_manager,
            run_tree,
            call_options,
            distributed,
            disabled,
            attachments,
            visible,
        )
    )
