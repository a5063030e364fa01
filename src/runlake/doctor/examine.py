"""All checks of one directory, in the order in which a person would make them."""

from __future__ import annotations

from runlake.config import Settings
from runlake.doctor.finding import Finding, Report
from runlake.doctor.ledger import examine_ledger
from runlake.doctor.place import examine_place, found_place, missing_place
from runlake.doctor.server import examine_server
from runlake.doctor.store import examine_store
from runlake.store.ledger import LEDGER_NAME
from runlake.store.lock import DataLock, read_address


def examine(settings: Settings, *, now_us: int, url: str | None, api_key: str | None, deep: bool) -> Report:
    """Find out whether a server uses the directory, and look at everything that can be seen then."""
    data = settings.data
    if not (data / LEDGER_NAME).is_file():
        return Report(data=str(data), in_use=False, findings=[missing_place(data)])
    lock = DataLock.try_acquire(data)
    try:
        in_use = lock is None
        findings: list[Finding] = [found_place(data, in_use=in_use), *examine_place(settings, in_use=in_use)]
        findings += examine_ledger(data)
        if in_use:
            findings += examine_server(url or read_address(data), api_key)
        else:
            findings += examine_store(data, now_us=now_us, deep=deep)
    finally:
        if lock is not None:
            lock.release()
    return Report(data=str(data), in_use=in_use, findings=findings)
