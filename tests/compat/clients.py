"""The released clients that are tried, each with what to install and the script that uses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Runtime(StrEnum):
    """What runs a client."""

    PYTHON = "python"
    NODE = "node"


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def _nothing() -> Mapping[str, str]:
    return _NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One release of one client. Clients of a ``family`` run the same ``script`` and share a table on the page.

    ``requirements`` are what pip or npm installs. ``misses`` names features that are known not to work, with the
    reason that users are told; a feature that works although it is listed fails the test. ``remark`` is told as well.
    """

    key: str
    family: str
    version: str
    script: str
    requirements: tuple[str, ...]
    runtime: Runtime = Runtime.PYTHON
    ignores_python_version: bool = False
    remark: str = ""
    misses: Mapping[str, str] = field(default_factory=_nothing)


NO_PROMPTS: Final = "there is no prompt hub here: a 501 says so"
_PYTHON_MISSES: Final = {"prompts": NO_PROMPTS}
_JS_MISSES: Final = {
    "prompts": NO_PROMPTS,
    "`listSharedRuns`": "the client leaves the question mark out of the address it asks for; the links themselves work",
}


def _python_sdk(version: str, *more: str, misses: Mapping[str, str] = _NOTHING) -> Client:
    return Client(
        key=f"langsmith-py-{version}",
        family="Python `langsmith`",
        version=version,
        script="python_sdk",
        requirements=(f"langsmith=={version}", *more),
        misses={**_PYTHON_MISSES, **misses},
    )


def _js_sdk(version: str) -> Client:
    return Client(
        key=f"langsmith-js-{version}",
        family="JavaScript `langsmith`",
        version=version,
        script="js_sdk.mjs",
        requirements=(f"langsmith@{version}",),
        runtime=Runtime.NODE,
        misses=_JS_MISSES,
    )


CLIENTS: Final = (
    _python_sdk("0.15.0"),
    _python_sdk("0.4.60"),
    _python_sdk(
        "0.1.147",
        "packaging",  # imported by this release without being asked for
        misses={"`read_run` with its child runs": "this release wants `child_run_ids`, which only `list_runs` gives"},
    ),
    _js_sdk("0.12.0"),
    _js_sdk("0.3.87"),
    Client(
        key="langchain",
        family="`langchain-core` and `langgraph`",
        version="1.7.2, 1.2.22",
        script="langchain_graphs",
        requirements=("langchain-core==1.7.2", "langgraph==1.2.22", "langsmith==0.15.0"),
    ),
    Client(
        key="langsmith-fetch",
        family="`langsmith-fetch`",
        version="0.3.1",
        script="fetch_commands",
        requirements=("langsmith-fetch==0.3.1",),
        misses={
            "`trace --include-feedback`": "this release looks for a number where the API has an object for each key, "
            "and then does not ask for feedback; `--include-metadata` shows its statistics"
        },
    ),
    Client(
        key="langsmith-cli",
        family="`langsmith-cli`",
        version="0.12.1",
        script="cli_commands",
        requirements=("langsmith-cli==0.12.1", "httpx"),  # imported without being asked for
        ignores_python_version=True,
        remark="The package asks for Python 3.12; on 3.11 it runs with `typing.TypedDict` from `typing_extensions`.",
    ),
    Client(
        key="langsmith-mcp-server",
        family="`langsmith-mcp-server`",
        version="0.1.1",
        script="mcp_tools",
        requirements=("langsmith-mcp-server==0.1.1",),
        remark="Its tools, called over standard input and output.",
        misses={
            "`list_prompts`": NO_PROMPTS,
            "`get_billing_usage`": "the tool asks the hosted service whatever endpoint is set; nothing is billed here",
        },
    ),
    Client(
        key="opentelemetry",
        family="OpenTelemetry: `opentelemetry-sdk`, OpenInference, Traceloop",
        version="1.45.2, 0.1.66, 0.62.4",
        script="otel_exporters",
        requirements=(
            "opentelemetry-sdk==1.45.2",
            "opentelemetry-exporter-otlp-proto-http==1.45.2",
            "openinference-instrumentation-openai==0.1.66",
            "opentelemetry-instrumentation-openai==0.62.4",
            "openai==3.54.0",
        ),
    ),
)
