"""The Python SDK, any release since 0.1: tracing, reading, feedback, projects, threads, statistics, datasets, v2."""

import asyncio
import inspect
import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from langsmith import Client, RunTree, evaluate, get_current_run_tree, traceable, tracing_context
from langsmith import utils as sdk_utils
from langsmith.schemas import Attachment

from compat.scripts.verdicts import PROJECT, AbsentError, expect, main, need

CLIENT = Client()
SENDER: dict[str, Any] = {"client": CLIENT}
"""An argument of ``RunTree`` that every release takes; its types know the newer name alone."""
PATIENCE_S = 10
USAGE = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}


def flush() -> None:
    """Wait until everything traced is sent; old releases have the queue alone."""
    if CLIENT.tracing_queue is not None:
        CLIENT.tracing_queue.join()
    if hasattr(CLIENT, "flush"):
        CLIENT.flush()


def current_trace() -> UUID:
    tree = get_current_run_tree()
    if tree is None:
        raise RuntimeError("tracing is off")
    return UUID(str(tree.trace_id))


def runs_of(trace_id: UUID) -> dict[str, Any]:
    """The runs of a trace by name."""
    flush()
    return {run.name: run for run in CLIENT.list_runs(project_name=PROJECT, trace_id=trace_id)}


@traceable(run_type="tool", name="look up", client=CLIENT)
def look_up(word: str) -> str:
    return f"{word}!"


@traceable(run_type="llm", name="model", metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o"}, client=CLIENT)
def call_model(text: str) -> dict[str, Any]:
    return {"content": text, "usage_metadata": USAGE}


@traceable(name="agent", tags=["outer"], metadata={"session_id": "thread 1"}, client=CLIENT)
def agent(word: str) -> UUID:
    call_model(look_up(word))
    return current_trace()


def decorators() -> None:
    runs = runs_of(agent("zebra"))
    expect(sorted(runs), ["agent", "look up", "model"])
    expect({runs[name].parent_run_id for name in ("look up", "model")}, {runs["agent"].id})
    expect(runs["agent"].tags, ["outer"])
    expect(runs["look up"].inputs, {"word": "zebra"})


def tokens_and_costs() -> None:
    runs = runs_of(agent("tokens"))
    expect([runs["model"].prompt_tokens, runs["model"].completion_tokens, runs["model"].total_tokens], [11, 7, 18])
    expect(runs["model"].total_cost is not None, True)
    expect(runs["agent"].total_tokens, 18)


@traceable(name="async step", client=CLIENT)
async def async_step(number: int) -> int:
    await asyncio.sleep(0)
    return number


@traceable(name="async agent", client=CLIENT)
async def async_agent() -> UUID:
    await asyncio.gather(async_step(1), async_step(2, langsmith_extra={"name": "second"}))
    return current_trace()


def asynchronous() -> None:
    expect(sorted(runs_of(asyncio.run(async_agent()))), ["async agent", "async step", "second"])


@traceable(run_type="llm", name="words", reduce_fn="".join, client=CLIENT)
def words() -> Iterator[str]:
    yield from ("to", "ge", "ther")


@traceable(name="streaming agent", client=CLIENT)
def streaming_agent() -> UUID:
    list(words())
    return current_trace()


def streaming() -> None:
    run = runs_of(streaming_agent())["words"]
    expect(run.outputs, {"output": "together"})
    expect({event["name"] for event in run.events}, {"new_token"})


@traceable(name="failing", client=CLIENT)
def fail(seen: list[UUID]) -> None:
    seen.append(current_trace())
    raise ValueError("no luck")


def errors() -> None:
    seen: list[UUID] = []
    try:
        fail(seen)
    except ValueError:
        run = runs_of(seen[0])["failing"]
        expect([run.status, "no luck" in run.error], ["error", True])
        return
    raise AssertionError("it did not fail")


def run_tree() -> None:
    root = RunTree(name="tree", run_type="chain", inputs={"a": 1}, project_name=PROJECT, **SENDER)
    root.post()
    child = root.create_child(name="leaf", run_type="tool", inputs={})
    child.post()
    before = runs_of(UUID(str(root.trace_id)))
    expect(before["leaf"].end_time, None)
    child.end(outputs={"done": True})
    child.patch()
    root.end(outputs={"b": 2})
    root.patch()
    after = runs_of(UUID(str(root.trace_id)))
    expect([after["tree"].outputs, after["leaf"].outputs], [{"b": 2}, {"done": True}])


def distributed() -> None:
    root = RunTree(name="caller", run_type="chain", inputs={}, project_name=PROJECT, **SENDER)
    root.post()
    with tracing_context(parent=root.to_headers(), project_name=PROJECT):
        look_up("far", langsmith_extra={"name": "callee", "client": CLIENT})
    root.end()
    root.patch()
    deadline = time.monotonic() + PATIENCE_S
    while "callee" not in (runs := runs_of(UUID(str(root.trace_id)))) and time.monotonic() < deadline:
        time.sleep(0.1)  # a parent made from headers sends through a client of its own
    expect(runs["callee"].parent_run_id, runs["caller"].id)


def attachments() -> None:
    @traceable(name="files", client=CLIENT)
    def look_at(picture: Attachment) -> UUID:
        return current_trace()

    content = bytes(range(256)) * 8
    run = runs_of(look_at(Attachment(mime_type="image/png", data=content)))["files"]
    if not hasattr(run, "attachments"):
        raise AbsentError("Run.attachments")
    stored = CLIENT.read_run(run.id)
    if not stored.attachments:
        raw = CLIENT.request_with_retries("GET", f"/runs/{run.id}").json()
        expect("attachment.picture" in raw["s3_urls"], True)
        raise AbsentError("reading attachments; they are stored")
    expect(stored.attachments["picture"]["reader"].read(), content)


def listing() -> None:
    trace_id = agent("listed")
    flush()
    found = CLIENT.list_runs(
        project_name=PROJECT,
        filter='and(eq(name, "look up"), search("listed"))',
        trace_filter='has(tags, "outer")',
        tree_filter='eq(name, "model")',
        start_time=datetime.now(UTC) - timedelta(hours=1),
    )
    expect([run.trace_id for run in found], [trace_id])
    expect(len(list(CLIENT.list_runs(project_name=PROJECT, run_type="llm", error=False, limit=1))), 1)


def pages() -> None:
    name = f"{PROJECT} pages"
    for number in range(130):
        CLIENT.create_run(f"n{number}", {}, "chain", project_name=name, end_time=datetime.now(UTC))
    flush()
    expect(len({run.id for run in CLIENT.list_runs(project_name=name)}), 130)


def children() -> None:
    run = CLIENT.read_run(runs_of(agent("children"))["agent"].id, load_child_runs=True)
    expect([child.name for child in run.child_runs], ["look up", "model"])


def one_judged() -> Any:
    return runs_of(agent("judged"))["agent"]


def mark(run: Any, **more: Any) -> Any:
    if "session_id" in inspect.signature(Client.create_feedback).parameters:
        more["session_id"] = run.session_id
    return CLIENT.create_feedback(run.id, **more)


def feedback() -> None:
    run = one_judged()
    made = mark(run, key="quality", score=0.5, comment="so so")
    mark(run, key="kind", value="good")
    flush()
    expect(sorted(one.key for one in CLIENT.list_feedback(run_ids=[run.id])), ["kind", "quality"])
    CLIENT.update_feedback(made.id, score=1.0)
    expect(CLIENT.read_feedback(made.id).score, 1.0)
    expect(CLIENT.read_run(run.id).feedback_stats["quality"]["avg"], 1.0)
    CLIENT.delete_feedback(made.id)
    expect([one.key for one in CLIENT.list_feedback(run_ids=[run.id])], ["kind"])


def feedback_filter() -> None:
    run = one_judged()
    key = f"key {uuid4().hex}"
    mark(run, key=key, score=0.9)
    flush()
    text = f'and(eq(feedback_key, "{key}"), gt(feedback_score, 0.8))'
    expect([one.id for one in CLIENT.list_runs(project_name=PROJECT, filter=text)], [run.id])


def feedback_tokens() -> None:
    need(CLIENT, "create_presigned_feedback_token", "list_presigned_feedback_tokens", "create_feedback_from_token")
    run = one_judged()
    token = CLIENT.create_presigned_feedback_token(run.id, "thumb", expiration=timedelta(hours=1))
    CLIENT.create_feedback_from_token(token.url, score=1, comment="from outside")
    with urllib.request.urlopen(f"{token.url}?score=0", timeout=10) as answer:  # noqa: S310 -- our own server
        expect(answer.status, 200)
    expect(len(list(CLIENT.list_presigned_feedback_tokens(run.id))), 1)
    expect({one.key for one in CLIENT.list_feedback(run_ids=[run.id])}, {"thumb"})


def feedback_configs() -> None:
    need(CLIENT, "create_feedback_config", "list_feedback_configs", "update_feedback_config")
    key = f"config {uuid4().hex}"
    CLIENT.create_feedback_config(key, feedback_config={"type": "continuous", "min": 0, "max": 1, "categories": None})
    CLIENT.update_feedback_config(key, is_lower_score_better=True)
    found = list(CLIENT.list_feedback_configs(feedback_key=[key]))
    expect([(one.feedback_key, one.is_lower_score_better) for one in found], [(key, True)])
    CLIENT.delete_feedback_config(key)


def projects() -> None:
    name = f"{PROJECT} made"
    made = CLIENT.create_project(name, description="first", metadata={"team": "blue"})
    CLIENT.update_project(made.id, description="second")
    read = CLIENT.read_project(project_name=name)
    expect([read.id, read.description], [made.id, "second"])
    expect([one.name for one in CLIENT.list_projects(name_contains=name)], [name])
    CLIENT.delete_project(project_name=name)
    expect(CLIENT.has_project(name), False)


def statistics() -> None:
    agent("counted")
    flush()
    project = CLIENT.read_project(project_name=PROJECT, include_stats=True)
    expect((project.run_count or 0) > 0, True)
    stats = CLIENT.get_run_stats(project_names=[PROJECT], run_type="llm")
    expect([stats["run_count"] > 0, stats["error_rate"]], [True, 0])


def threads() -> None:
    need(CLIENT, "list_threads", "read_thread")
    agent("in a thread")
    flush()
    expect([one["thread_id"] for one in CLIENT.list_threads(project_name=PROJECT)], ["thread 1"])
    turns = list(CLIENT.read_thread(thread_id="thread 1", project_name=PROJECT))
    expect({run.name for run in turns}, {"agent"})


def sharing() -> None:
    run = one_judged()
    CLIENT.share_run(run.id)
    expect(CLIENT.run_is_shared(run.id), True)
    link = CLIENT.read_run_shared_link(run.id)
    token = (link or "").split("/public/")[1].split("/")[0]
    expect({one.name for one in CLIENT.list_shared_runs(token)}, {"agent", "look up", "model"})
    CLIENT.unshare_run(run.id)
    expect(CLIENT.run_is_shared(run.id), False)


def datasets() -> None:
    name = f"{PROJECT} set"
    made = CLIENT.create_dataset(name, description="d")
    CLIENT.create_examples(
        inputs=[{"q": 1}, {"q": 2}], outputs=[{"a": 1}, {"a": 2}], splits=["train", "test"], dataset_id=made.id
    )
    expect(sorted((one.inputs or {})["q"] for one in CLIENT.list_examples(dataset_name=name)), [1, 2])
    test = next(iter(CLIENT.list_examples(dataset_name=name, splits=["test"])))
    CLIENT.update_example(test.id, outputs={"a": 3})
    expect(CLIENT.read_example(test.id).outputs, {"a": 3})
    expect(sorted(CLIENT.list_dataset_splits(dataset_id=made.id)), ["test", "train"])
    CLIENT.delete_example(test.id)
    expect(CLIENT.read_dataset(dataset_name=name).example_count, 1)
    expect(len(list(CLIENT.list_dataset_versions(dataset_id=made.id))) > 1, True)
    CLIENT.delete_dataset(dataset_id=made.id)
    expect(CLIENT.has_dataset(dataset_name=name), False)


def evaluation() -> None:
    name = f"{PROJECT} evaluated"
    made = CLIENT.create_dataset(name)
    CLIENT.create_examples(inputs=[{"q": 1}, {"q": 2}], outputs=[{"a": 2}, {"a": 5}], dataset_id=made.id)

    def right(run: Any, example: Any) -> dict[str, Any]:
        return {"key": "right", "score": run.outputs["a"] == example.outputs["a"]}

    results = evaluate(
        lambda inputs: {"a": inputs["q"] * 2}, data=name, evaluators=[right], client=CLIENT, experiment_prefix="doubler"
    )
    flush()
    experiment = results.experiment_name
    expect(len(list(CLIENT.list_runs(project_name=experiment, is_root=True))), 2)
    stats = CLIENT.read_project(project_name=experiment, include_stats=True).feedback_stats
    expect([stats["right"]["n"], stats["right"]["avg"]], [2, 0.5])
    listed = [one.name for one in CLIENT.list_projects(reference_dataset_name=name)]
    expect(listed, [experiment])


def queues() -> None:
    queue = CLIENT.create_annotation_queue(name=f"{PROJECT} queue")
    CLIENT.add_runs_to_annotation_queue(queue.id, run_ids=[one_judged().id])
    expect([one.id for one in CLIENT.list_annotation_queues(name=queue.name)], [queue.id])
    CLIENT.delete_annotation_queue(queue.id)


def prompts() -> None:
    expect(CLIENT.list_prompts(limit=5).total, 0)


def v2_runs() -> None:
    need(CLIENT, "_get_langsmith_api_sync")
    api = CLIENT._get_langsmith_api_sync()
    trace_id = agent("v2")
    flush()
    project = str(CLIENT.read_project(project_name=PROJECT).id)
    found = api.runs.query_v2(project_ids=[project], filter='search("v2")', selects=["ID", "NAME", "TRACE_ID"])
    expect(str(trace_id) in {run.trace_id for run in found}, True)
    expect(len(list(api.threads.query(project_id=project))) > 0, True)


def mistakes() -> None:
    try:
        list(CLIENT.list_runs(project_name=PROJECT, filter='eq(nmae, "x")'))
    except sdk_utils.LangSmithError as error:
        expect("name" in str(error), True)
    else:
        raise AssertionError("a wrong field was accepted")
    try:
        CLIENT.read_run(uuid4())
    except sdk_utils.LangSmithNotFoundError:
        return
    raise AssertionError("no such run, and no error")


def server_probe() -> None:
    expect(json.loads(json.dumps(dict(CLIENT.info), default=str))["version"] is not None, True)


FEATURES = {
    "reads what the server can do": server_probe,
    "`@traceable`: nested runs, tags, metadata": decorators,
    "tokens and costs, summed to the root": tokens_and_costs,
    "async functions": asynchronous,
    "streamed outputs": streaming,
    "errors": errors,
    "`RunTree` by hand, visible while it runs": run_tree,
    "a trace continued in another program": distributed,
    "attachments, sent and read": attachments,
    "`list_runs` with filter, trace filter, tree filter": listing,
    "`list_runs` over several pages": pages,
    "`read_run` with its child runs": children,
    "feedback: create, list, change, delete, statistics": feedback,
    "runs by their feedback": feedback_filter,
    "feedback by presigned URL": feedback_tokens,
    "feedback configs": feedback_configs,
    "projects": projects,
    "statistics": statistics,
    "`list_threads`, `read_thread`": threads,
    "share links": sharing,
    "datasets and examples": datasets,
    "`evaluate()` and its experiment": evaluation,
    "generated v2 client": v2_runs,
    "mistakes are told": mistakes,
    "annotation queues": queues,
    "prompts": prompts,
}

if __name__ == "__main__":
    main(FEATURES)
