"""Every failure Runlake can answer with, in one tree.

::

    RunlakeError
    ├── UserError                      the sender can fix it; logged as one line
    │   ├── FilterError          400   one or more diagnostics with positions
    │   ├── MalformedError       400   a body, part, field or header that cannot be read
    │   ├── InvalidError         422   readable, but the value is not acceptable
    │   ├── TooLargeError        413   over a configured limit
    │   ├── CursorError          400   not a cursor of this query
    │   ├── NotFoundError        404
    │   ├── RangeError           416   a range of bytes behind the end of a file
    │   ├── ConflictError        409
    │   ├── DestinationError     400   the destination of an export refused or did not answer
    │   ├── AccessError          401   no key, or one that is not valid
    │   ├── ForbiddenError       403   the key is valid and does not open this
    │   ├── TooSlowError         408   the head or the body of a request did not arrive in time
    │   ├── HeadTooLargeError    431   more headers than are accepted
    │   ├── RateLimitedError     429   over the key's rate limit; carries Retry-After
    │   ├── NotOfferedError      501   a part of the protocol that this server leaves out on purpose
    │   └── SettingsError        -     start-up only, never over HTTP
    └── FaultError                     ours or the machine's; logged with its trace
        ├── StoreError           500   the engine refused a statement; carries its code and name
        │   └── MissingObjectError     an object that a run names is gone or damaged
        ├── StoreUnavailableError 503  cannot answer now; a retry may work
        │   └── StoreFullError    503   the disk has no room for writes
        ├── TooMuchWorkError     422   a query passed its time or memory limit
        ├── TooManyConnectionsError 503 answered and closed; carries Retry-After
        └── OverloadedError      429   admission control; carries Retry-After

Messages start in lower case, have no full stop, name the offending part and say what would be accepted.
HTTP rendering lives in ``runlake.api.errors`` and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

_TOO_MANY_ROWS_CODE: Final = 158
"""Of the engine, for statements with ``max_rows_to_read``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem in a piece of text, with its place.

    ``start`` and ``end`` are character offsets, ``line`` and ``column`` count from 1, ``excerpt`` is the source
    line with a caret line below it.
    """

    code: str
    message: str
    start: int
    end: int
    line: int
    column: int
    excerpt: str
    expected: tuple[str, ...] = ()
    suggestion: str | None = None


class RunlakeError(Exception):
    """Base of every error that may reach a caller."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, field: str | None = None, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.suggestion = suggestion

    @property
    def retry_after_s(self) -> int | None:
        """Seconds after which a retry may succeed, or None when a retry is pointless."""
        return None


class UserError(RunlakeError):
    """The request is wrong; nothing on our side needs attention."""

    code = "bad_request"
    status = 400


class FilterError(UserError):
    """A filter does not parse or does not bind; holds every independent problem found."""

    code = "invalid_filter"
    status = 400

    def __init__(self, diagnostics: tuple[Diagnostic, ...], *, field: str | None = None) -> None:
        if not diagnostics:
            raise ValueError("a filter error needs at least one diagnostic")
        first = diagnostics[0]
        super().__init__(first.message, field=field, suggestion=first.suggestion)
        self.diagnostics = diagnostics


class MalformedError(UserError):
    """A body, part, header or field that cannot be read; ``position`` is a byte offset where one is known."""

    code = "malformed"
    status = 400

    def __init__(
        self, message: str, *, field: str | None = None, position: int | None = None, suggestion: str | None = None
    ) -> None:
        super().__init__(message, field=field, suggestion=suggestion)
        self.position = position


class InvalidError(UserError):
    """Readable but not acceptable."""

    code = "invalid"
    status = 422


class TooLargeError(UserError):
    """Over a configured limit, which the message names."""

    code = "too_large"
    status = 413


class CursorError(UserError):
    """Not a cursor, damaged, or made for another query."""

    code = "invalid_cursor"
    status = 400


class RangeError(UserError):
    """A range of bytes that begins behind the end of the file."""

    code = "range_not_satisfiable"
    status = 416


class NotFoundError(UserError):
    code = "not_found"
    status = 404


class ConflictError(UserError):
    code = "conflict"
    status = 409


class DestinationError(UserError):
    """The destination of an export refused, or cannot be reached.

    ``transient``: a later try may succeed. The message is the provider's own where it gave one.
    """

    code = "destination_failed"
    status = 400

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message, field="config")
        self.transient = transient


class AccessError(UserError):
    """No key, or one that is unknown, revoked or expired."""

    code = "unauthorized"
    status = 401


class ForbiddenError(UserError):
    """The key is valid and lacks the scope or the tenant, or a page of another site sent the request."""

    code = "forbidden"
    status = 403


class TooSlowError(UserError):
    """The request did not arrive in time; nothing of it was done."""

    code = "too_slow"
    status = 408


class HeadTooLargeError(UserError):
    """The request line and headers are over max_header_bytes."""

    code = "head_too_large"
    status = 431


class RateLimitedError(UserError):
    """The key made more requests than its limit allows; nothing was done. Carries Retry-After."""

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, *, wait_s: int) -> None:
        super().__init__(message)
        self._wait_s = wait_s

    @property
    def retry_after_s(self) -> int | None:
        return self._wait_s


class NotOfferedError(UserError):
    """A part of the protocol that this server leaves out on purpose; the message says what to use instead."""

    code = "not_offered"
    status = 501


class SettingsError(UserError):
    """A setting that cannot be used; raised before the server listens."""

    code = "invalid_settings"


class FaultError(RunlakeError):
    """Something on our side failed."""

    code = "fault"
    status = 500


class StoreError(FaultError):
    """The engine refused or failed a statement; ``engine_code`` and ``engine_name`` are its own."""

    code = "store_error"

    def __init__(self, message: str, *, engine_code: int | None = None, engine_name: str | None = None) -> None:
        super().__init__(message)
        self.engine_code = engine_code
        self.engine_name = engine_name

    @property
    def is_too_many_rows(self) -> bool:
        """Whether the statement would have looked at more rows than it said it may; planners then go another way."""
        return self.engine_code == _TOO_MANY_ROWS_CODE


class MissingObjectError(StoreError):
    """An attachment or a large payload that a run names is gone or damaged; the log says which."""

    code = "object_missing"


class StoreUnavailableError(FaultError):
    """The store cannot take or answer this now."""

    code = "store_unavailable"
    status = 503

    @property
    def retry_after_s(self) -> int | None:
        return 1


class StoreFullError(StoreUnavailableError):
    """The disk has no room for writes; nothing was stored.

    Not a 507: clients repeat a 503, and drop what a 507 answers.
    """

    code = "disk_full"

    @property
    def retry_after_s(self) -> int | None:
        return 10


class TooMuchWorkError(FaultError):
    """A query passed its time or memory limit; the message says which.

    Not a 503: clients send a 503 again at once, and the same query would run into the same limit three times more.
    """

    code = "too_much_work"
    status = 422


class TooManyConnectionsError(FaultError):
    """As many clients as max_connections allows are connected. Carries Retry-After."""

    code = "too_many_connections"
    status = 503

    @property
    def retry_after_s(self) -> int | None:
        return 1


class OverloadedError(FaultError):
    """Admission control turned the request away; nothing was stored."""

    code = "overloaded"
    status = 429

    @property
    def retry_after_s(self) -> int | None:
        return 1
