"""Pages of queries whose filter has to read texts, where an index leaves many candidates for it.

One statement would read the texts of them all to find the first few runs. Here they are read from the newest on (or
the oldest), some at a time: a narrow statement names the next rows that the indexes do not rule out, a page of only
those rows is read, and so on until enough runs are found. What is read then depends on the page, not on the store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from runlake.fql.bound import Leaf, PairExists, PayloadLike, SearchTest
from runlake.fql.logic import leaves
from runlake.fql.vocabulary import PairFamily
from runlake.query.pair_sql import is_pair_lookup
from runlake.query.plan import run_conditions, run_scope, statement_settings
from runlake.query.request import Order, PageKey, QueryLimits, RunQuery
from runlake.query.scans import scans
from runlake.query.scope import RunTable
from runlake.query.search_sql import is_answered_by_index
from runlake.store.engine import Engine, Statement
from runlake.store.moment import Moment

READ_AT_ONCE: Final = 4_000
"""Rows that one statement may look through for a page before candidates are read some at a time."""

MAX_BATCH_ROWS: Final = 4_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that may meet a query, in the order of its listing."""

    versions: tuple[int, ...]
    first: PageKey
    last: PageKey


def has_candidates(query: RunQuery) -> bool:
    """Whether indexes leave candidates whose texts then tell whether they meet the query."""
    filters = [expr for expr in (query.filter, query.search) if expr is not None]
    if query.ids is not None or not any(_reads_texts(leaf) for expr in filters for leaf in leaves(expr)):
        return False
    return not any(reason for expr in filters for reason in scans(expr, is_narrowing=True))


def _reads_texts(leaf: Leaf) -> bool:
    match leaf:
        case PayloadLike():
            return True
        case SearchTest():
            return not is_answered_by_index(leaf)
        case PairExists(family=PairFamily.INPUT | PairFamily.OUTPUT):
            return not is_pair_lookup(leaf)
        case _:
            return False


def read_batch(
    engine: Engine, query: RunQuery, moment: Moment, limits: QueryLimits, *, table: RunTable, rows: int
) -> Batch | None:
    """The first candidates behind ``query.after``; None when there are none."""
    found = engine.select(plan_batch(query, moment, limits, table=table, rows=rows)).rows
    if not found:
        return None
    keys = [PageKey(start_time=int(str(row[1])), run_id=UUID(str(row[2]))) for row in (found[0], found[-1])]
    return Batch(tuple(int(str(row[0])) for row in found), *keys)


def plan_batch(query: RunQuery, moment: Moment, limits: QueryLimits, *, table: RunTable, rows: int) -> Statement:
    """The statement of ``read_batch``."""
    scope = run_scope(query, moment, is_loose=True)
    direction = "DESC" if query.order is Order.NEWEST_FIRST else "ASC"
    tail = f" ORDER BY start_time {direction}, id {direction} LIMIT {int(rows)}"
    cells = "version, toUnixTimestamp64Micro(start_time), id"
    sql = scope.select_from(table, cells, run_conditions(query, scope), tail=tail)
    return scope.statement(sql, statement_settings(limits))


def only(batch: Batch, query: RunQuery) -> RunQuery:
    """The query, asked of the rows of a batch alone; the bounds on time are what the key of the table understands."""
    times = (batch.first.start_time, batch.last.start_time)
    return replace(query, versions=batch.versions, start_time_from=min(times), start_time_to=max(times))


def next_batch_rows(wanted: int, *, looked_at: int, found: int) -> int:
    """How many candidates to look at for ``wanted`` more runs, from how many of those so far were any good."""
    if not looked_at:
        return min(wanted + wanted // 2 + 1, MAX_BATCH_ROWS)
    likely = (wanted + wanted // 2) * looked_at // max(found, 1)
    return max(wanted + 1, min(likely, 4 * looked_at, MAX_BATCH_ROWS))
