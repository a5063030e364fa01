"""The ground every read stands on: one tenant, its projects, one moment, both tables of runs.

The only place where a tenant becomes part of a statement. A run's row lies in ``runs`` or in ``open_runs``; a
``RunScope`` turns a condition into a read of both in which every run occurs once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import assert_never
from uuid import UUID

from runlake.fql.bound import BoundExpr
from runlake.query.compile import compile_filter, time_value
from runlake.query.context import NO_CANDIDATES, Candidates, FilterContext
from runlake.store.columns import ColumnMap
from runlake.store.engine import Params, Statement
from runlake.store.moment import Moment, ReplacedRow


class RunTable(Enum):
    """Where the row of a run lies."""

    RUNS = "runs"
    OPEN_RUNS = "open_runs"


def tables_at(moment: Moment) -> tuple[RunTable, ...]:
    """The tables that hold runs at the moment."""
    return (RunTable.RUNS, RunTable.OPEN_RUNS) if moment.has_open else (RunTable.RUNS,)


class RunScope:
    """Builds the parts of one statement; ``params`` collects its values."""

    def __init__(
        self,
        *,
        tenant_id: UUID,
        sessions: tuple[UUID, ...],
        moment: Moment,
        params: Params,
        columns: ColumnMap,
        feedback_from: int | None = None,
        feedback_to: int | None = None,
        is_loose: bool = False,
    ) -> None:
        self.params = params
        self.columns = columns
        self.tenant = params.add("UUID", tenant_id)
        self.visible = params.add("UInt64", moment.visible_version)
        self._moment = moment.narrowed(lambda row: row.session_id in sessions)
        self._open_versions: str | None = None
        self._replaced_versions: str | None = None
        self.in_sessions = self._sessions(sessions)
        self._is_kept = self._kept(moment.hidden_deletions)
        self.context = FilterContext(
            params,
            columns,
            tenant=self.tenant,
            visible=self.visible,
            runs=self.select,
            repeats=self.reads_both,
            feedback_bounds=self._changed(">=", feedback_from) + self._changed("<", feedback_to),
            is_loose=is_loose,
        )

    def _sessions(self, sessions: tuple[UUID, ...]) -> str:
        match sessions:
            case ():
                return "false"
            case (only,):
                return f"session_id = {self.params.add('UUID', only)}"
            case _:
                return f"session_id IN {self.params.add('Array(UUID)', sessions)}"

    def _kept(self, deletions: tuple[UUID, ...]) -> list[str]:
        """What leaves the traces of deletions out that are not carried out yet; nothing when there are none."""
        if not deletions:
            return []
        named = self.params.add("Array(UUID)", deletions)
        hidden = f"SELECT trace_id FROM hidden_traces WHERE tenant_id = {self.tenant} AND deletion_id IN {named}"
        return [f"trace_id NOT IN ({hidden})"]

    def _changed(self, sign: str, moment_us: int | None) -> str:
        return "" if moment_us is None else f" AND modified_at {sign} {time_value(moment_us, self.params)}"

    def condition(self, expr: BoundExpr, candidates: Candidates = NO_CANDIDATES) -> str:
        """The condition of a bound filter, within this tenant; ``candidates`` is what else the same run must meet."""
        return compile_filter(expr, replace(self.context, candidates=candidates))

    def select(self, cells: str, conditions: Sequence[str], *, tail: str = "") -> str:
        """``SELECT cells`` of every run in scope that meets all conditions.

        ``tail`` (such as an order and a limit) is put behind the select on each table; where both are read
        (``reads_both``) the caller orders and limits again.
        """
        closed = self._select_closed(cells, conditions, tail)
        if not self.reads_both:
            return closed
        return f"{closed} UNION ALL {self._select_open(cells, conditions, tail)}"

    def statement(self, sql: str, settings: Mapping[str, int | str]) -> Statement:
        """The finished statement, with the values, settings and shared selects that its conditions need.

        A shared select may refer to those that were shared before it.
        """
        shared = [f"{name} AS MATERIALIZED ({select})" for select, name in self.context.shared.items()]
        prelude = f"WITH {', '.join(shared)} " if shared else ""
        return Statement(prelude + sql, self.params.as_tuple(), {**settings, **self.context.settings})

    def select_from(self, table: RunTable, cells: str, conditions: Sequence[str], *, tail: str = "") -> str:
        """As ``select``, of the runs of one table only."""
        match table:
            case RunTable.RUNS:
                return self._select_closed(cells, conditions, tail)
            case RunTable.OPEN_RUNS:
                return self._select_open(cells, conditions, tail)
            case _:
                assert_never(table)

    @property
    def reads_both(self) -> bool:
        """Whether ``select`` is a union of two selects."""
        return self._moment.has_open

    def _select_closed(self, cells: str, conditions: Sequence[str], tail: str) -> str:
        where = [f"tenant_id = {self.tenant}", self.in_sessions, f"version <= {self.visible}", *self._is_kept]
        if self._moment.replaced_rows != ():
            where.append(f"version NOT IN {self._replaced()}")
        return f"SELECT {cells} FROM runs WHERE {' AND '.join([*where, *conditions])}{tail}"

    def _replaced(self) -> str:
        """The versions of rows whose run has a later row. Made once, so that equal selects have equal text."""
        if self._replaced_versions is None:
            self._replaced_versions = self._find_replaced(self._moment.replaced_rows)
        return self._replaced_versions

    def _find_replaced(self, rows: Sequence[ReplacedRow] | None) -> str:
        if rows is not None:
            return self.params.add("Array(UInt64)", tuple(row.version for row in rows))
        gone = self.params.add("UInt64", self._moment.removed_until)
        return (
            f"(SELECT replaces FROM runs WHERE tenant_id = {self.tenant} AND replaces > 0"
            f" AND version > {gone} AND version <= {self.visible})"
        )

    def _select_open(self, cells: str, conditions: Sequence[str], tail: str) -> str:
        """The latest visible state of each open run; a state that says ``settled`` is to be found in ``runs``."""
        rows = self._moment.open_rows
        if rows is not None:
            # Bound once, so that equal selects have equal text.
            versions = tuple(row.version for row in rows)
            self._open_versions = self._open_versions or self.params.add("Array(UInt64)", versions)
            latest = f"has({self._open_versions}, version)"
        else:
            latest = (
                f"version IN (SELECT max(version) FROM open_runs WHERE tenant_id = {self.tenant}"
                f" AND version <= {self.visible} GROUP BY id) AND status != 'settled'"
            )
        where = [f"tenant_id = {self.tenant}", latest, self.in_sessions, *self._is_kept, *conditions]
        return f"SELECT {cells} FROM open_runs WHERE {' AND '.join(where)}{tail}"
