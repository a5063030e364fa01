"""``langsmith-mcp-server``: its tools, called over standard input and output as an assistant calls them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import cache
from typing import Any
from uuid import uuid4

from fastmcp import Client as McpClient
from fastmcp.client.transports import StdioTransport
from langsmith import Client

from compat.scripts.seeded import THREAD, Seeded, seed
from compat.scripts.verdicts import PROJECT, expect, main


@cache
def world() -> Seeded:
    return seed()


async def _call(tool: str, arguments: dict[str, Any]) -> Any:
    transport = StdioTransport(sys.executable, ["-m", "langsmith_mcp_server.server"], env=dict(os.environ))
    async with McpClient(transport) as client:
        answer = await client.call_tool(tool, arguments)
    return json.loads(answer.content[0].text)


def call(tool: str, **arguments: Any) -> Any:
    """The answer of a tool; the tools put what went wrong below ``error``."""
    world()
    answer = asyncio.run(_call(tool, arguments))
    if isinstance(answer, dict) and answer.get("error"):
        raise AssertionError(answer["error"])
    return answer


def runs() -> None:
    found = call("fetch_runs", project_name=PROJECT, limit=10, filter='eq(name, "seeded tool")')
    expect([run["name"] for run in found["runs"]], ["seeded tool"] * 2)


def roots() -> None:
    found = call("fetch_runs", project_name=PROJECT, limit=10, is_root="true", tree_filter='eq(status, "error")')
    expect([run["id"] for run in found["runs"]], [world().traces[1]])


def trace() -> None:
    found = call("fetch_runs", project_name=PROJECT, limit=10, trace_id=world().traces[0])
    expect(sorted(run["name"] for run in found["runs"]), ["seeded agent", "seeded model", "seeded tool"])


def thread() -> None:
    found = call("get_thread_history", project_name=PROJECT, thread_id=THREAD, page_number=1)
    expect("question" in json.dumps(found["result"]), True)


def projects() -> None:
    found = call("list_projects", project_name=PROJECT)
    expect(PROJECT in json.dumps(found), True)


def datasets() -> None:
    client, name = Client(), f"set {uuid4().hex}"
    made = client.create_dataset(name)
    client.create_examples(inputs=[{"q": 1}], outputs=[{"a": 2}], dataset_id=made.id)
    example = next(iter(client.list_examples(dataset_id=made.id)))
    expect(name in json.dumps(call("list_datasets", dataset_name=name)), True)
    expect(name in json.dumps(call("read_dataset", dataset_name=name)), True)
    expect(str(example.id) in json.dumps(call("list_examples", dataset_name=name)), True)
    expect(str(example.id) in json.dumps(call("read_example", example_id=str(example.id))), True)


def experiments() -> None:
    client, name = Client(), f"set {uuid4().hex}"
    made = client.create_dataset(name)
    client.create_project(f"{name} tried", reference_dataset_id=made.id)
    expect(f"{name} tried" in json.dumps(call("list_experiments", reference_dataset_name=name)), True)


def prompts() -> None:
    call("list_prompts")


def billing() -> None:
    call("get_billing_usage", starting_on="2026-01-01T00:00:00Z", ending_before="2026-02-01T00:00:00Z")


FEATURES = {
    "`fetch_runs` with a filter": runs,
    "`fetch_runs` of roots with a tree filter": roots,
    "`fetch_runs` of one trace": trace,
    "`get_thread_history`": thread,
    "`list_projects`": projects,
    "`list_datasets`, `read_dataset`, `list_examples`, `read_example`": datasets,
    "`list_experiments`": experiments,
    "`list_prompts`": prompts,
    "`get_billing_usage`": billing,
}

if __name__ == "__main__":
    main(FEATURES)
