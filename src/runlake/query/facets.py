"""Facets: the commonest values among the runs of a query, for lists of filters to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from runlake.fql.printer import print_text
from runlake.model.run_stats import Facet
from runlake.query.scope import RunScope
from runlake.store.engine import Row

VALUES_A_KEY: Final = 10
"""Most values of one key."""

MAX_VALUE_CHARS: Final = 200
"""Longer values are no choice for a list and are left out."""

MAX_FACETS: Final = 300
"""Most facets of one answer, the commonest first."""

_ENTRIES: Final = (
    "arrayConcat([('name', 'name', toString(name)), ('run_type', 'run_type', toString(run_type)),"
    " ('status', 'status', toString(status))],"
    " arrayMap(tag -> ('tag', 'tag', tag), tags),"
    " arrayMap((key, value) -> ('metadata', toString(key), value), metadata_keys, metadata_values))"
)


def facets_sql(scope: RunScope, conditions: Sequence[str]) -> str:
    """SQL of kind, key, value and number of runs, for the commonest values of each key."""
    runs = scope.select(f"arrayJoin(arrayDistinct({_ENTRIES})) AS entry", conditions)
    return (
        "SELECT entry.1 AS kind, entry.2 AS key, entry.3 AS value, count() AS runs"
        f" FROM ({runs}) WHERE value != '' AND lengthUTF8(value) <= {MAX_VALUE_CHARS} GROUP BY kind, key, value"
        f" ORDER BY runs DESC, kind, key, value LIMIT {VALUES_A_KEY} BY kind, key LIMIT {MAX_FACETS}"
    )


def read_facets(rows: Iterable[Row]) -> tuple[Facet, ...]:
    """The facets in rows of ``facets_sql``."""
    return tuple(_facet(str(kind), str(key), str(value), int(str(count))) for kind, key, value, count in rows)


_FILTERS: Final = {
    "tag": "has(tags, {value})",
    "metadata": "and(eq(metadata_key, {key}), eq(metadata_value, {value}))",
}


def _facet(kind: str, key: str, value: str, count: int) -> Facet:
    template = _FILTERS.get(kind, f"eq({kind}, {{value}})")
    return Facet(key, value, template.format(key=print_text(key), value=print_text(value)), count)
