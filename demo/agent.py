"""The program that is traced: the support agent of a bicycle shop, and a nightly report.

Written as any user of the SDK would write it; it knows nothing of Runlake. The agent's runs take the milliseconds they
really take; those of the report carry explicit times, so that some are slow without anyone waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from langsmith import Client, RunTree, traceable

from demo.answers import DOCUMENTS, ORDERS, REPLIES, Thread, Turn

SMALL_MODEL: Final = {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}
LARGE_MODEL: Final = {"ls_provider": "anthropic", "ls_model_name": "claude-sonnet-4-5"}
RELEASE: Final = "2aa1cf4"


class CardDeclinedError(Exception):
    """The bank said no."""


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}


@traceable(run_type="tool", name="look_up_order")
def look_up_order(order: str) -> dict[str, str]:
    return {"order": order, "state": ORDERS[order]}


@traceable(run_type="tool", name="refund_payment")
def refund_payment(order: str) -> dict[str, str]:
    raise CardDeclinedError(f"card declined while refunding order {order}")


@traceable(run_type="llm", name="ExpandQuery", metadata=SMALL_MODEL)
def expand_query(question: str) -> dict[str, Any]:
    words = [word for word in DOCUMENTS if word in question.lower()] or ["stock"]
    return {"role": "assistant", "content": " ".join(words), "usage_metadata": _usage(40, 5 * len(words))}


@traceable(run_type="retriever", name="RetrieveDocs")
def retrieve_docs(query: str) -> list[dict[str, str]]:
    return [{"page_content": DOCUMENTS[word], "type": "Document"} for word in query.split()]


@traceable(run_type="chain", name="extractor")
def extract(documents: Sequence[dict[str, str]]) -> dict[str, Any]:
    return {"facts": [document["page_content"].split(":")[0] for document in documents]}


def _join_tokens(tokens: Sequence[str]) -> dict[str, Any]:
    reply = "".join(tokens)
    return {"role": "assistant", "content": reply, "usage_metadata": _usage(120, len(tokens))}


@traceable(run_type="llm", name="ChatOpenAI", metadata=SMALL_MODEL, reduce_fn=_join_tokens)
def stream_reply(messages: list[dict[str, str]]) -> Iterator[str]:
    """Streams: the SDK notes the time of the first token."""
    for word in REPLIES[messages[-1]["content"]].split(" "):
        yield f"{word} "


def _question_alone(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"question": inputs["turn"].question}


@traceable(run_type="chain", name="SupportAgent", process_inputs=_question_alone)
def answer(turn: Turn) -> dict[str, Any]:
    context: list[str] = []
    if turn.order is not None:
        context.append(look_up_order(turn.order)["state"])
    else:
        documents = retrieve_docs(expand_query(turn.question)["content"])
        context += extract(documents)["facts"]
    if turn.wants_refund and turn.order is not None:
        try:
            refund_payment(turn.order)
        except CardDeclinedError as error:
            context.append(str(error))
    messages = [
        {"role": "system", "content": "You help customers of a bicycle shop. " + "; ".join(context)},
        {"role": "user", "content": turn.question},
    ]
    return {"reply": "".join(stream_reply(messages)).strip()}


def hold_conversation(client: Client, thread: Thread) -> list[RunTree]:
    """All turns of a thread; the trees of the traces they made."""
    trees: list[RunTree] = []
    for turn in thread.turns:
        extra: dict[str, Any] = {
            "client": client,
            "metadata": {thread.key: thread.id, "user_id": thread.user, "environment": thread.environment},
            "tags": [thread.environment],
            "on_end": trees.append,
        }
        try:
            answer(turn, langsmith_extra=extra)  # type: ignore[arg-type]  # the SDK reads a typed dict
        except KeyError:  # an order that does not exist: the trace ends with the error
            continue
    return trees


def write_nightly_report(client: Client, *, started: datetime, tag: str) -> RunTree:
    """A trace sent by hand with times of its own: 95 seconds in all, its steps slow as well."""
    report = RunTree(
        name="NightlyReport",
        run_type="chain",
        inputs={"day": started.date().isoformat()},
        start_time=started,
        tags=[tag, RELEASE],
        extra={"metadata": {"environment": "staging", "job": "report"}},
        ls_client=client,
    )
    report.post()
    crawl = _timed_step(report, "crawl_reviews", "tool", offset_s=1, lasting_s=61, tag=tag)
    crawl.end(outputs={"reviews": 412}, end_time=started + timedelta(seconds=62))
    crawl.patch()
    summary = _timed_step(report, "ChatAnthropic", "llm", offset_s=63, lasting_s=12, tag=tag)
    summary.add_metadata(dict(LARGE_MODEL))
    summary.end(
        outputs={"content": "Image classification of damaged frames works.", "usage_metadata": _usage(7800, 420)},
        end_time=started + timedelta(seconds=75),
    )
    summary.patch()
    report.end(outputs={"pages": 3}, end_time=started + timedelta(seconds=95))
    report.patch()
    return report


def _timed_step(report: RunTree, name: str, kind: Any, *, offset_s: int, lasting_s: int, tag: str) -> RunTree:
    step = report.create_child(
        name=name,
        run_type=kind,
        inputs={"seconds": lasting_s},
        start_time=report.start_time + timedelta(seconds=offset_s),
        tags=[tag],
    )
    step.post()
    return step


def work_a_day(client: Client, threads: Sequence[Thread]) -> list[RunTree]:
    """Everything the shop does: reports of today and of three days ago, one run still going, and the conversations."""
    now = datetime.now(UTC)
    trees = [
        write_nightly_report(client, started=now - timedelta(days=3), tag="beta"),
        write_nightly_report(client, started=now - timedelta(hours=2), tag="experimental"),
    ]
    for thread in threads:
        trees += hold_conversation(client, thread)
    unfinished = RunTree(name="ReindexCatalog", run_type="chain", inputs={"shelves": 12}, ls_client=client)
    unfinished.post()
    return [*trees, unfinished]
