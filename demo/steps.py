"""The three steps of the demo. Each prints what it does; the last two say how many results were wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from langsmith import Client
from rich.console import Console

from demo.agent import work_a_day
from demo.answers import THREADS
from demo.export import count_lines, flat_traces, pull_runs, write_csv
from demo.made import MadeRun, give_feedback, runs_of
from demo.queries import all_queries, ask
from demo.report import print_answer, print_heading, print_traces


def trace_program(console: Console, project: str) -> tuple[Client, list[MadeRun]]:
    """Run the agent, flush, give feedback; the client and what was made."""
    client = Client()
    began = time.monotonic()
    trees = work_a_day(client, THREADS)
    worked_ms = (time.monotonic() - began) * 1000
    client.flush()
    made = runs_of(trees)
    give_feedback(client, project, made, THREADS)
    client.flush()
    scores = sum(len(run.scores) for run in made)
    traces = sum(run.is_root for run in made)
    console.print(
        f"The agent worked {worked_ms:.0f} ms and left {len(made)} runs in {traces} traces; "
        f"{scores} feedback scores were given."
    )
    return client, made


def query_runs(console: Console, client: Client, project: str, made: Sequence[MadeRun]) -> int:
    """Ask every query and compare with what the program made."""
    print_heading(console, "Queries")
    queries = all_queries(project, made)
    began = time.monotonic()
    answers = [ask(client, query, made) for query in queries]
    seconds = time.monotonic() - began
    for number, answer in enumerate(answers, start=1):
        print_answer(console, number, answer)
    wrong = sum(not answer.right for answer in answers)
    console.print()
    console.print(
        f"{len(answers)} queries in {seconds:.1f} s, "
        + ("[green]every result exactly as expected[/]" if wrong == 0 else f"[red]{wrong} not as expected[/]")
    )
    return wrong


def export_files(console: Console, client: Client, project: str, made: Sequence[MadeRun], folder: Path) -> int:
    """Write the flat traces and all runs, and compare both with what the program made."""
    print_heading(console, "Flat traces with the tools they used")
    lines = flat_traces(client, project)
    print_traces(console, lines)
    traces_path, runs_path = folder / "traces.csv", folder / "runs.jsonl"
    write_csv(lines, traces_path)
    print_heading(console, "Every run as JSON lines")
    pulled = pull_runs(client, project, runs_path)
    console.print(f"{len(lines)} traces in {traces_path.name}, {pulled} runs in {runs_path.name}")
    tools = {line.trace_id: line.tools for line in lines}
    wrong = int(tools != _tools_made(made)) + int(pulled != len(made))
    wrong += int(count_lines(runs_path) != len(made))
    if wrong:
        console.print(f"[red]expected {len(made)} runs and the tools {_tools_made(made)}[/]")
    return wrong


def _tools_made(made: Sequence[MadeRun]) -> dict[str, str]:
    """For each trace the tools that the program called, as the export names them."""
    tools: dict[str, dict[str, None]] = {str(run.id): {} for run in made if run.is_root}
    for run in made:
        if run.kind == "tool":
            tools[str(run.root.id)][run.name] = None
    return {trace_id: ", ".join(names) for trace_id, names in tools.items()}
