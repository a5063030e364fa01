"""``langsmith-fetch``: every command, with and without metadata and feedback."""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path

from compat.scripts.commands import CommandLine
from compat.scripts.seeded import THREAD, Seeded, seed
from compat.scripts.verdicts import expect, main

HOME = tempfile.mkdtemp()
FETCH = CommandLine(sys.executable, "-m", "langsmith_cli", home=HOME)


@cache
def world() -> Seeded:
    return seed()


def trace() -> None:
    said = FETCH.json("trace", world().traces[0], "--format", "json")
    expect([message["content"] for message in said], ["question 1", "answer 1"])


def trace_with_metadata() -> None:
    found = FETCH.json("trace", world().traces[0], "--include-metadata", "--format", "json")
    expect([found["metadata"]["status"], len(found["messages"])], ["success", 2])
    expect(found["metadata"]["feedback_stats"]["quality"]["avg"], 0.5)


def trace_with_feedback() -> None:
    found = FETCH.json("trace", world().traces[0], "--include-feedback", "--format", "json")
    expect([(one["key"], one["score"]) for one in found["feedback"]], [("quality", 0.5)])


def traces() -> None:
    folder = Path(HOME) / "traces"
    FETCH.run("traces", str(folder), "--project-uuid", world().project_id, "--limit", "5")
    expect(sorted(file.stem for file in folder.iterdir()), sorted(world().traces))


def recent_traces() -> None:
    arguments = ("--project-uuid", world().project_id, "--limit", "2", "--last-n-minutes", "30", "--format", "json")
    said = FETCH.run("traces", *arguments)
    expect(["question 1" in said, "question 2" in said], [True, True])


def thread() -> None:
    found = FETCH.json("thread", THREAD, "--project-uuid", world().project_id, "--format", "json")
    said = [message["content"] for message in found["messages"]]
    expect(said, ["question 1", "answer 1", "question 2", "answer 2"])


def threads() -> None:
    folder = Path(HOME) / "threads"
    FETCH.run("threads", str(folder), "--project-uuid", world().project_id, "--limit", "5")
    expect(len(list(folder.iterdir())), 1)


FEATURES = {
    "`trace`": trace,
    "`trace --include-metadata`": trace_with_metadata,
    "`trace --include-feedback`": trace_with_feedback,
    "`traces` into a folder": traces,
    "`traces --last-n-minutes`": recent_traces,
    "`thread`": thread,
    "`threads` into a folder": threads,
}

if __name__ == "__main__":
    main(FEATURES)
