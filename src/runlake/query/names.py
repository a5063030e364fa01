"""Names that the runs of a scope really use: keys, tags and values, most frequent first.

For completions, and to tell a misspelt name from one that merely finds nothing. Cheap by design: only the newest
``SAMPLE_RUNS`` runs of the scope are looked at, in narrow columns.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, assert_never

from runlake.query.pair_sql import latest_feedback
from runlake.query.plan import scoped, statement_settings
from runlake.query.request import QueryLimits, RunQuery
from runlake.query.scope import RunScope
from runlake.store.engine import Engine
from runlake.store.moment import Moment

SAMPLE_RUNS: Final = 20_000
MAX_NAMES: Final = 500
MAX_VALUE_CHARS: Final = 120
"""Longer values are no names that anybody types."""


class NameKind(StrEnum):
    """What is named. ``KEY_VALUE`` are values under one metadata key."""

    METADATA_KEY = "metadata key"
    INPUT_KEY = "input key"
    OUTPUT_KEY = "output key"
    TAG = "tag"
    FEEDBACK_KEY = "feedback key"
    RUN_NAME = "run name"
    KEY_VALUE = "value"


class NameReader:
    """Blocking reads in the scope of a query: its tenant, projects and bounds on time, none of its filters."""

    def __init__(self, engine: Engine, limits: QueryLimits) -> None:
        self._engine = engine
        self._limits = limits

    def names(
        self,
        kind: NameKind,
        query: RunQuery,
        moment: Moment,
        *,
        key: str = "",
        prefix: str = "",
        limit: int = MAX_NAMES,
    ) -> list[str]:
        """At most ``limit`` names that begin with ``prefix`` in any case; ``key`` is the key of ``KEY_VALUE``."""
        unfiltered = RunQuery(
            tenant_id=query.tenant_id,
            sessions=query.sessions,
            start_time_from=query.start_time_from,
            start_time_to=query.start_time_to,
        )
        scope, conditions = scoped(unfiltered, moment)
        if kind is NameKind.FEEDBACK_KEY:
            source = f"SELECT toString(key) AS name FROM {latest_feedback(scope.context)}"
        else:
            tail = f" ORDER BY start_time DESC LIMIT {SAMPLE_RUNS}"
            runs = scope.select(_columns(kind), conditions, tail=tail)
            source = f"SELECT arrayJoin({_names_sql(kind, key, scope)}) AS name FROM ({runs})"
        begins = f"startsWith(lowerUTF8(name), {scope.params.add('String', prefix.lower())})"
        sql = (
            f"SELECT name FROM ({source}) WHERE name != '' AND lengthUTF8(name) <= {MAX_VALUE_CHARS} AND {begins}"
            f" GROUP BY name ORDER BY count() DESC, name LIMIT {int(limit)}"
        )
        return [str(row[0]) for row in self._engine.select(scope.statement(sql, statement_settings(self._limits))).rows]


def _columns(kind: NameKind) -> str:
    match kind:
        case NameKind.METADATA_KEY | NameKind.KEY_VALUE:
            return "metadata_keys, metadata_values"
        case NameKind.INPUT_KEY:
            return "input_pairs"
        case NameKind.OUTPUT_KEY:
            return "output_pairs"
        case NameKind.TAG:
            return "tags"
        case NameKind.RUN_NAME:
            return "name AS run_name"
        case NameKind.FEEDBACK_KEY:
            raise TypeError("feedback is not in the tables of runs")
        case _:
            assert_never(kind)


def _names_sql(kind: NameKind, key: str, scope: RunScope) -> str:
    """SQL of the array of names that one run has."""
    match kind:
        case NameKind.METADATA_KEY:
            return "arrayDistinct(arrayMap(key -> toString(key), metadata_keys))"
        case NameKind.KEY_VALUE:
            wanted = scope.params.add("String", key)
            return f"arrayDistinct(arrayFilter((value, key) -> key = {wanted}, metadata_values, metadata_keys))"
        case NameKind.INPUT_KEY | NameKind.OUTPUT_KEY:
            return f"arrayFilter(item -> position(item, '\\0') = 0, {_columns(kind)})"
        case NameKind.TAG:
            return "tags"
        case NameKind.RUN_NAME:
            return "[toString(run_name)]"
        case NameKind.FEEDBACK_KEY:
            raise TypeError("feedback is not in the tables of runs")
        case _:
            assert_never(kind)
