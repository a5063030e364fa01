"""What an SDK makes of a server that requires keys: tracing, reading and being refused."""

from __future__ import annotations

from langsmith import Client, traceable
from langsmith.utils import LangSmithError

from contract.scenarios.sdk import PROJECT, Facts, default_client, main


@traceable(name="kept apart")
def _work(question: str) -> str:
    return question.upper()


def trace() -> Facts:
    """One traced call, and what the SDK says when it is told to be done."""
    _work("ping")
    default_client().flush()
    return "sent"


def read() -> Facts:
    """Names of the runs in the project, or the class and the text of the SDK's error."""
    try:
        return [run.name for run in Client().list_runs(project_name=PROJECT)]
    except LangSmithError as error:
        return [type(error).__name__, str(error)]


def settings() -> Facts:
    """What the SDK reads before it works with prompts, through a method of its own."""
    try:
        return Client()._get_settings().display_name
    except LangSmithError as error:
        return [type(error).__name__, str(error)]


if __name__ == "__main__":
    main((trace, read, settings))
