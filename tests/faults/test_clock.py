"""A clock that jumps, to either side and by hours, changes no answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from faults.faulty_server import CLOCK_VARIABLE
from faults.load import Acknowledged, Load, assert_nothing_lost
from faults.servers import start_faulty

HOUR_S = 3600


@pytest.mark.timeout(120)
def test_jumps_of_the_clock_lose_and_double_nothing(tmp_path: Path) -> None:
    """Forward and back while it serves, and back across a restart; writes are visible at once each time."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    data = tmp_path / "data"
    acknowledged = Acknowledged()
    for jumps in ((0, 6 * HOUR_S, 0), (-6 * HOUR_S, -24 * HOUR_S)):
        server = start_faulty(data, **{CLOCK_VARIABLE: str(offset)})
        try:
            for jump in jumps:
                offset.write_text(str(jump))
                load = Load(server.url, clients=2, seed=abs(jump) + 1)
                load.wait_for_first()
                time.sleep(0.3)
                acknowledged.add(load.end())
                assert not load.refusals()
                assert_nothing_lost(server.url, acknowledged)
        finally:
            assert server.stop() == 0
