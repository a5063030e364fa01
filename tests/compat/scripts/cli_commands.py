"""``langsmith-cli``: the commands that list, read, search, count and change, all with ``--json``.

The package asks for Python 3.12. On an older interpreter one name of the standard library is set to what it became
in 3.12, then the unmodified program runs.
"""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path
from uuid import uuid4

from compat.scripts.commands import CommandLine
from compat.scripts.seeded import Seeded, seed
from compat.scripts.verdicts import PROJECT, expect, main

START = (
    "import sys, typing\n"
    "if sys.version_info < (3, 12):\n"
    "    import typing_extensions\n"
    "    typing.TypedDict = typing_extensions.TypedDict\n"
    "from langsmith_cli.main import cli\n"
    "cli()\n"
)
HOME = tempfile.mkdtemp()
CLI = CommandLine(sys.executable, "-c", START, "--json", home=HOME)
HERE = ("--project", PROJECT)


@cache
def world() -> Seeded:
    return seed()


def names(*arguments: str) -> list[str]:
    world()
    return [run["name"] for run in CLI.json("runs", *arguments, *HERE, "--fields", "id,name")]


def listing() -> None:
    expect(names("list", "--roots"), ["seeded agent", "seeded agent"])
    expect(names("list", "--all-runs", "--failed"), ["seeded tool"])
    expect(names("list", "--all-runs", "--run-type", "llm", "--limit", "1"), ["seeded model"])
    expect(names("list", "--all-runs", "--filter", 'eq(name, "seeded tool")', "--last", "1h"), ["seeded tool"] * 2)
    expect(names("list", "--tag", "kind:seeded", "--metadata", "thread_id=thread seeded"), ["seeded agent"] * 2)


def search() -> None:
    expect(names("search", "word2"), ["seeded tool"])


def get() -> None:
    run = CLI.json("runs", "get", world().traces[0])
    expect([run["name"], run["outputs"]["messages"][1]["content"]], ["seeded agent", "answer 1"])
    expect(CLI.json("runs", "get-latest", *HERE, "--roots")["id"], world().traces[1])


def figures() -> None:
    world()
    text = CLI.run("runs", "stats", *HERE)
    expect("run_count" in text, True)


def discovery() -> None:
    world()
    expect(CLI.json("runs", "tags", *HERE), {"tag_patterns": {"kind": ["seeded"]}})
    expect("thread_id" in CLI.json("runs", "metadata-keys", *HERE)["metadata_keys"], True)
    expect("inputs" in CLI.run("runs", "fields", *HERE, "--no-language"), True)
    groups = CLI.json("runs", "analyze", *HERE, "--group-by", "metadata:thread_id")
    expect([group["count"] for group in groups], [4])


def usage() -> None:
    world()
    expect("gpt-4o" in CLI.run("runs", "usage", *HERE, "--breakdown", "model", "--last", "1h"), True)


def export() -> None:
    world()
    folder = Path(HOME) / "export"
    CLI.run("runs", "export", str(folder), *HERE, "--roots")
    expect(sorted(file.stem for file in folder.glob("*.json")), sorted(world().traces))


def projects() -> None:
    world()
    expect([one["name"] for one in CLI.json("projects", "list", "--name", PROJECT)], [PROJECT])
    expect(CLI.json("projects", "get", PROJECT)["id"], world().project_id)
    made = f"made {uuid4().hex}"
    CLI.run("projects", "create", made)
    CLI.run("projects", "update", made, "--description", "changed")
    expect(CLI.json("projects", "get", made)["description"], "changed")
    CLI.run("projects", "delete", made, "--confirm")


def feedback() -> None:
    root = world().traces[1]
    CLI.run("feedback", "create", root, "--key", "by cli", "--score", "0.25")
    found = CLI.json("feedback", "list", "--run-id", root)
    expect([(one["key"], one["score"]) for one in found], [("by cli", 0.25)])
    CLI.run("feedback", "delete", found[0]["id"], "--confirm")
    expect(CLI.json("feedback", "list", "--run-id", root), [])


def datasets() -> None:
    name = f"set {uuid4().hex}"
    CLI.run("datasets", "create", name)
    CLI.run("examples", "create", "--dataset", name, "--inputs", '{"q": 1}', "--outputs", '{"a": 2}')
    CLI.run("examples", "from-run", world().traces[0], "--dataset", name)
    expect(len(CLI.json("examples", "list", "--dataset", name)), 2)
    expect([one["name"] for one in CLI.json("datasets", "list", "--name", name)], [name])
    CLI.run("datasets", "delete", name, "--confirm")


FEATURES = {
    "`runs list` with every kind of filter": listing,
    "`runs search`": search,
    "`runs get`, `runs get-latest`": get,
    "`runs stats`": figures,
    "`runs tags`, `metadata-keys`, `fields`, `analyze`": discovery,
    "`runs usage`": usage,
    "`runs export`": export,
    "`projects`": projects,
    "`feedback`": feedback,
    "`datasets`, `examples`": datasets,
}

if __name__ == "__main__":
    main(FEATURES)
