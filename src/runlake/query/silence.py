"""Open runs that nothing is heard of: their senders have most likely gone without ending them (our choice).

Only answers say so. The run stays as it was written, and its end counts whenever it comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from runlake.model.run import RunStatus
from runlake.model.run_record import RunRecord

SILENT_AFTER_US: Final = 3_600_000_000
"""Silence that is worth telling, unless a setting says otherwise; steps of agents rarely take longer."""


def mark_silent(runs: Iterable[RunRecord], *, now_us: int, after_us: int) -> None:
    """Set ``silent_us`` of the pending runs whose last write came at least ``after_us`` ago; 0 marks none."""
    if not after_us:
        return
    for run in runs:
        # The version of a row is the moment of its commit, which is a write unless the row was only moved.
        silent_us = now_us - (run.silent_since or run.version)
        if run.status == RunStatus.PENDING and silent_us >= after_us:
            run.silent_us = silent_us
