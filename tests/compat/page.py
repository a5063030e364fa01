"""``docs/compatibility.md`` from the verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from compat.trial import Outcome, Trial

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
_INTRODUCTION: Final = """\
# Compatibility

Released clients, unmodified, against a running server; each needs one setting, `LANGSMITH_ENDPOINT` (OpenTelemetry: the
exporter's endpoint). This page is written by the tests: `make compat` runs every client and writes it anew, and
`make test-all` fails when a client does otherwise than the page says. The programs are in `tests/compat/scripts`.

**yes** works · **no** does not, the note says why · **-** this release does not have it

The integration tests in the Python SDK's repository (as of 0.11.1, commit `bc8dd67`), run by hand with `langsmith`
0.15.0 on 2026-11-23: of `test_client`, `test_async_client`, `test_runs`, `test_experiment_manager` and `test_v2_*`,
92 pass, 25 skip themselves, 3 are marked there as failing, and 13 fail:

* 6 want annotation queues, 2 details of tokens from `list_runs`, whose `select` does not name them, and 1 asks through
  v2 for runs since the start of a project that its first run made: all of that was added since, and the tests of queues
  in `test_client` and `test_usage_metadata` pass now; the others have not been run again
* 1 wants evaluators that run on the server, which are answered with 501
* 3 are about the client alone and do not fit its release or the libraries around it

Left out are the tests of prompts, because there is no prompt hub, and one that starts a web server of its own.
"""


def render(trials: Sequence[Trial]) -> str:
    """The whole page; trials of a family stand next to each other."""
    parts = [_INTRODUCTION]
    for family, members in groupby(trials, key=lambda trial: trial.client.family):
        parts.append(_family(family, list(members)))
    return "\n".join(parts)


def _family(family: str, trials: Sequence[Trial]) -> str:
    notes: list[str] = []
    titles = dict.fromkeys(title for trial in trials for title in trial.verdicts)
    lines = [
        f"## {family}",
        "",
        *(line for trial in trials if trial.client.remark for line in (trial.client.remark, "")),
        _row("Feature", *(trial.client.version for trial in trials)),
        _row(*["---"] * (len(trials) + 1)),
        *(_row(title, *(_cell(trial, title, notes) for trial in trials)) for title in titles),
    ]
    if notes:
        lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, start=1))]
    return "\n".join(lines) + "\n"


def _cell(trial: Trial, title: str, notes: list[str]) -> str:
    verdict = trial.verdicts.get(title)
    if verdict is None or verdict.outcome is Outcome.ABSENT:
        return "-"
    if verdict.outcome is Outcome.PASSED:
        return "yes"
    note = trial.client.misses.get(title, "not looked into yet")
    if note not in notes:
        notes.append(note)
    return f"no ({notes.index(note) + 1})"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
