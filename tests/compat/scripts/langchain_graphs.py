"""``langchain-core`` and ``langgraph`` with a fake chat model, tracing switched on by environment variables alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import StructuredTool
from langchain_core.tracers.langchain import wait_for_all_tracers
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langsmith import Client

from compat.scripts.verdicts import PROJECT, expect, main

CLIENT = Client()
USAGE = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
THREAD = "graph thread"


def model(*answers: AIMessage) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter(answers), metadata={"ls_provider": "openai", "ls_model_name": "gpt-4o"})


def answer(text: str) -> AIMessage:
    return AIMessage(text, usage_metadata=USAGE)


def runs_of(trace_id: UUID) -> list[Any]:
    """The runs of a trace in order of start."""
    wait_for_all_tracers()
    runs = CLIENT.list_runs(project_name=PROJECT, trace_id=trace_id)
    return sorted(runs, key=lambda run: run.dotted_order)


def tree(runs: Sequence[Any]) -> list[str]:
    """Names, each after as many dots as it has parents."""
    return ["." * run.dotted_order.count(".") + run.name for run in runs]


def chain() -> None:
    identity = uuid4()
    prompt = ChatPromptTemplate.from_messages([("system", "be brief"), ("human", "{question}")])
    steps = prompt | model(answer("a zebra")) | StrOutputParser()
    said = steps.invoke(
        {"question": "what is striped?"},
        {"run_id": identity, "tags": ["outer"], "metadata": {"user": "u1"}, "run_name": "chain"},
    )
    runs = runs_of(identity)
    expect(said, "a zebra")
    expect(tree(runs), ["chain", ".ChatPromptTemplate", ".GenericFakeChatModel", ".StrOutputParser"])
    expect([run.run_type for run in runs], ["chain", "prompt", "llm", "parser"])
    expect([runs[0].tags, runs[0].metadata["user"], runs[0].status], [["outer"], "u1", "success"])
    expect([runs[2].prompt_tokens, runs[2].completion_tokens, runs[0].total_tokens], [11, 7, 18])


def asynchronous() -> None:
    identity = uuid4()
    steps = RunnableLambda(lambda text: [HumanMessage(text)]) | model(answer("yes"))
    asyncio.run(steps.ainvoke("well?", {"run_id": identity, "run_name": "async chain"}))
    runs = runs_of(identity)
    expect(tree(runs), ["async chain", ".RunnableLambda", ".GenericFakeChatModel"])


def streaming() -> None:
    identity = uuid4()
    steps = model(answer("one two three")) | StrOutputParser()
    expect("".join(steps.stream("count", {"run_id": identity, "run_name": "stream"})), "one two three")
    call = runs_of(identity)[1]
    expect([call.run_type, call.first_token_time is not None], ["llm", True])
    expect("new_token" in {event["name"] for event in call.events}, True)


def batch() -> None:
    steps = RunnableLambda(lambda number: number + 1).with_config(run_name=f"batch {uuid4().hex}")
    steps.batch(list(range(20)))
    wait_for_all_tracers()
    found = CLIENT.list_runs(project_name=PROJECT, filter=f'eq(name, "{steps.config["run_name"]}")')
    expect(sorted(run.outputs["output"] for run in found), list(range(1, 21)))


def errors() -> None:
    identity = uuid4()

    def fail(text: str) -> str:
        raise ValueError(f"no {text}")

    try:
        RunnableLambda(fail).invoke("luck", {"run_id": identity})
    except ValueError:
        run = runs_of(identity)[0]
        expect([run.status, "no luck" in run.error], ["error", True])
        return
    raise AssertionError("it did not fail")


def graph(*answers: AIMessage) -> Any:
    def look_up(word: str) -> str:
        """Look a word up."""
        return f"{word} is striped"

    chat = model(*answers)
    builder = StateGraph(MessagesState)
    builder.add_node("agent", lambda state: {"messages": [chat.invoke(state["messages"])]})
    builder.add_node("tools", ToolNode([StructuredTool.from_function(look_up)]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return builder.compile(checkpointer=InMemorySaver())


def tool_call() -> AIMessage:
    call = {"name": "look_up", "args": {"word": "zebra"}, "id": "call 1", "type": "tool_call"}
    return AIMessage("", tool_calls=[call], usage_metadata=USAGE)


def question(identity: UUID, thread: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"messages": [("user", "what is a zebra?")]}, {"run_id": identity, "configurable": {"thread_id": thread}}


def check_agent(identity: UUID, thread: str) -> None:
    runs = runs_of(identity)
    names = [run.name for run in runs]
    expect([names.count(name) for name in ("LangGraph", "agent", "tools", "look_up")], [1, 2, 1, 1])
    expect([names.count("GenericFakeChatModel"), runs[0].name], [2, "LangGraph"])
    expect([runs[0].total_tokens, runs[0].metadata["thread_id"]], [36, thread])
    tool = next(run for run in runs if run.name == "look_up")
    expect([tool.run_type, "striped" in str(tool.outputs)], ["tool", True])


def agent() -> None:
    identity = uuid4()
    asked, settings = question(identity, THREAD)
    graph(tool_call(), answer("striped")).invoke(asked, settings)
    check_agent(identity, THREAD)


def async_agent() -> None:
    identity = uuid4()

    async def run() -> None:
        asked, settings = question(identity, f"{THREAD} async")
        async for _ in graph(tool_call(), answer("striped")).astream(asked, settings, stream_mode="updates"):
            pass

    asyncio.run(run())
    check_agent(identity, f"{THREAD} async")


def threads() -> None:
    built = graph(answer("first"), answer("second"))
    for _ in range(2):
        asked, settings = question(uuid4(), "two turns")
        built.invoke(asked, settings)
    wait_for_all_tracers()
    turns = list(CLIENT.read_thread(thread_id="two turns", project_name=PROJECT))
    expect([run.name for run in turns], ["LangGraph"] * 2)
    counts = {one["thread_id"]: one["count"] for one in CLIENT.list_threads(project_name=PROJECT)}
    expect(counts["two turns"], 2)


FEATURES = {
    "chain: prompt, model, parser; tags, metadata, tokens": chain,
    "async chain": asynchronous,
    "streaming, time to first token": streaming,
    "`batch`": batch,
    "errors of a chain": errors,
    "graph: agent that calls a tool": agent,
    "graph, async and streamed": async_agent,
    "threads of a graph": threads,
}

if __name__ == "__main__":
    main(FEATURES)
