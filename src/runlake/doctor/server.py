"""What the server that uses the directory says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from runlake.doctor.finding import Finding, error, note, or_well, warning, well
from runlake.errors import RunlakeError
from runlake.server_client import ServerClient

_SAMPLE: Final = re.compile(r"^(runlake_\w+)(?:\{([^}]*)\})? ([0-9.e+-]+)$", re.MULTILINE)
_MANY_PARTS: Final = 1000


def examine_server(address: str | None, api_key: str | None) -> list[Finding]:
    """Readiness, and what the measurements show."""
    if address is None:
        return [note("server", "a server uses the directory and has not said where it listens", cure="give --url")]
    client = ServerClient(address, api_key)
    try:
        client.ask("GET", "/readyz")
    except RunlakeError as problem:
        return [
            error(
                "server",
                f"the server at {address} is not ready: {problem.message}",
                cause="it is starting or stopping, or its store cannot be read or written",
                cure="read its log; the other findings may say why",
            )
        ]
    found = [well("server", f"the server at {address} is ready")]
    try:
        numbers = read_samples(client.text("/metrics"))
    except RunlakeError as problem:
        return [
            *found,
            note("metrics", f"not read: {problem.message}", cure="set LANGSMITH_API_KEY to a key for metrics"),
        ]
    return [*found, *or_well("metrics", _measured(numbers), "the measurements show nothing unusual")]


def read_samples(text: str) -> Mapping[tuple[str, str], float]:
    """Value by name and labels, of our own metrics."""
    return {(name, labels): float(value) for name, labels, value in _SAMPLE.findall(text)}


def _measured(numbers: Mapping[tuple[str, str], float]) -> Iterator[Finding]:
    def total(name: str) -> float:
        return sum(value for (found, _), value in numbers.items() if found == name)

    if failed := int(total("runlake_failed_commits_total")):
        yield warning(
            "commits",
            f"{failed} commits failed since the start",
            cause="the disk or the memory ran out, or the engine refused something",
            cure="look for 'commit failed' and 'commit refused' in the log; senders were told to send again",
        )
    if failed := int(total("runlake_failed_sweeps_total")):
        yield warning(
            "sweeps",
            f"{failed} sweeps failed since the start",
            cause="the engine did not finish a delete in time",
            cure="look for 'sweeping' in the log; rows that moved on stay a little longer",
        )
    for (name, labels), value in numbers.items():
        if name == "runlake_table_parts" and value > _MANY_PARTS:
            yield warning(
                "parts",
                f"a table has {int(value)} parts ({labels})",
                cause="merges do not keep up with inserts",
                cure="send larger batches; give the server more cores",
            )
