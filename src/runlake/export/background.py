"""Exports give way to everything else: the threads that work for them say so to the operating system.

A priority costs an export nothing on an idle machine and lets a query that comes meanwhile run first; a limit of its
rate would cost both. ``query.bulk`` says the same of the engine's thread. Where threads have no priorities, or one is
refused, exports run like everything else.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

from runlake.query.bulk import LOW_PRIORITY


def give_way() -> None:
    """Lower the priority of the calling thread, for good."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
