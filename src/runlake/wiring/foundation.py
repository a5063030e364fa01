"""What every part of a server stands on: settings, the open store, the clock and the source of ids."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from uuid import UUID

from runlake.config import Settings
from runlake.store.chdb import ChdbEngine
from runlake.store.engine import ENGINE_FOLDER
from runlake.store.ledger import CURSOR_KEY, LEDGER_NAME, Ledger
from runlake.store.lock import DataLock
from runlake.store.moment import Moments
from runlake.store.schema import migrate
from runlake.wire.cursor import CursorSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """``now_us`` is microseconds since 1970 UTC."""

    settings: Settings
    engine: ChdbEngine
    ledger: Ledger
    moments: Moments
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]

    def cursors(self) -> CursorSigner:
        """Signs page tokens, with one key for all lists."""
        return CursorSigner(self.ledger.secret(CURSOR_KEY))


def open_foundation(
    settings: Settings, opening: ExitStack, *, now_us: Callable[[], int], new_id: Callable[[], UUID]
) -> Foundation:
    """Lock, open and migrate the data directory; ``opening`` is told how to close it. SettingsError when in use."""
    lock = DataLock.acquire(settings.data)
    opening.callback(lock.release)
    engine = ChdbEngine.open(settings.data / ENGINE_FOLDER, memory_limit_bytes=settings.engine_max_memory_bytes)
    opening.callback(_close, engine, lock)
    migrate(engine)
    ledger = Ledger.open(settings.data / LEDGER_NAME, now=now_us, new_id=new_id)
    opening.callback(ledger.close)
    return Foundation(settings=settings, engine=engine, ledger=ledger, moments=Moments(), now_us=now_us, new_id=new_id)


def _close(engine: ChdbEngine, lock: DataLock) -> None:
    engine.close()
    if engine.is_open:
        lock.keep()
