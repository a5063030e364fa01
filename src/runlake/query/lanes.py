"""Lanes: threads for one kind of blocking work each, so that slow work cannot take the threads of quick work.

A query runs in the lane of its shape. Whoever finds all places of a lane taken is turned away at once with a hint
when to come back, instead of waiting behind work that may take half a minute each.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from enum import Enum
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from runlake.errors import OverloadedError
from runlake.store.engine import CURRENT_WORK, Work


class QueryShape(Enum):
    """What a query costs by its kind: the label of its measurements, and the lane that it runs in."""

    RUN = "run"
    TRACE = "trace"
    LIST = "list"
    SEARCH = "search"
    STATS = "stats"


P = ParamSpec("P")
T = TypeVar("T")

LIGHT_THREADS: Final = 8
"""Threads for runs by id, traces and plain lists, which take milliseconds each."""

LIGHT: Final = frozenset({QueryShape.RUN, QueryShape.TRACE, QueryShape.LIST})


class HelperThreads(ThreadPoolExecutor):
    """Threads that read beside the one that asked, as part of the same work."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(copy_context().run, partial(fn, *args, **kwargs))


class Lane:
    """``threads`` calls run at once and ``max_waiting`` wait; one more is an OverloadedError."""

    def __init__(self, name: str, *, threads: int, max_waiting: int, abandon: Callable[[Work], None]) -> None:
        self._name = name
        self._abandon = abandon
        self._places = threads + max_waiting
        self._max_waiting = max_waiting
        self._taken = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"runlake-{name}")

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of ``work``, called in a thread of this lane with the caller's context variables.

        When the caller is cancelled, what waits is dropped, and the selects of what runs are stopped.
        """
        self._enter()
        context, mark = copy_context(), Work(secrets.token_hex(8))
        context.run(CURRENT_WORK.set, mark)
        future = self._pool.submit(context.run, partial(work, *args, **kwargs))
        # By the thread and not by this coroutine: a caller that is gone leaves its work behind for a while.
        future.add_done_callback(self._leave)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.running():
                asyncio.get_running_loop().run_in_executor(None, self._abandon, mark)
            raise

    @property
    def taken(self) -> int:
        """Calls that run or wait."""
        return self._taken

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _enter(self) -> None:
        with self._lock:
            if self._taken >= self._places:
                raise OverloadedError(
                    f"{self._max_waiting} {self._name} queries are waiting, the limit that max_waiting_queries sets; "
                    "send again after the given time"
                )
            self._taken += 1

    def _leave(self, _future: Future[Any]) -> None:
        with self._lock:
            self._taken -= 1


class QueryLanes:
    """A lane for quick shapes and one for those that may take long.

    ``observe`` is told the seconds that each query took; ``abandon`` stops the selects of one that nobody waits for.
    """

    def __init__(
        self,
        *,
        search_threads: int,
        max_waiting: int,
        abandon: Callable[[Work], None] = lambda _work: None,
        observe: Callable[[QueryShape, float], None] = lambda _shape, _seconds: None,
    ) -> None:
        self._light = Lane("light", threads=LIGHT_THREADS, max_waiting=max_waiting, abandon=abandon)
        self._heavy = Lane("search", threads=search_threads, max_waiting=max_waiting, abandon=abandon)
        self._observe = observe

    async def run(self, shape: QueryShape, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of ``work``, called in the lane of ``shape``; OverloadedError when that is full."""
        lane = self._light if shape in LIGHT else self._heavy
        started = time.perf_counter()
        try:
            return await lane.run(work, *args, **kwargs)
        finally:
            self._observe(shape, time.perf_counter() - started)

    def taken(self) -> dict[str, int]:
        """Queries that run or wait, by lane."""
        return {"light": self._light.taken, "search": self._heavy.taken}

    def close(self) -> None:
        self._light.close()
        self._heavy.close()
