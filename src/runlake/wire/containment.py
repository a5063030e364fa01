"""JSON containment: what the ``metadata`` parameter of listings means (the parameter is documented upstream).

Our choice of the exact rule is the one of PostgreSQL's ``@>``.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from runlake.errors import MalformedError


def read_wanted(text: str, field: str) -> Mapping[str, object]:
    """The JSON object in a query parameter; MalformedError when it is none."""
    try:
        return msgspec.json.decode(text.encode("utf-8", "replace"), type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        raise MalformedError(f'{field} must be a JSON object such as {{"env": "prod"}}', field=field) from None


def holds(value: object, wanted: object) -> bool:
    """``value`` has everything ``wanted`` names: objects by key, lists by element in any order, scalars by equality."""
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(key in value and holds(value[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(holds(item, part) for item in value) for part in wanted)
    return (type(value) is type(wanted) and value == wanted) or _same_number(value, wanted)


def _same_number(value: object, wanted: object) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return False
    return isinstance(value, int | float) and isinstance(wanted, int | float) and value == wanted
