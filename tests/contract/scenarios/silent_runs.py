"""A run that is created and never ended, as the SDK reads it back before and after the server calls it silent."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from langsmith import Client

from contract.scenarios.sdk import PROJECT, Facts, main, run_id

NOW = datetime.now(UTC)
RUN = run_id(NOW, "never ended")


def never_ended() -> Facts:
    """Read alone and in a list."""
    client = Client()
    client.create_run(
        "never ended",
        {"q": 1},
        "chain",
        id=RUN,
        start_time=NOW,
        project_name=PROJECT,
        trace_id=RUN,
        dotted_order=f"{NOW:%Y%m%dT%H%M%S%f}Z{RUN}",
    )
    client.flush()
    time.sleep(1.2)
    found = [client.read_run(RUN), *client.list_runs(project_name=PROJECT, filter='eq(status, "pending")')]
    return [[run.name, run.status, run.end_time, run.inputs] for run in found]


if __name__ == "__main__":
    main([never_ended])
