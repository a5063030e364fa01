"""What the conditions of one statement share while they are compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from runlake.store.columns import ColumnMap
from runlake.store.engine import Params


@dataclass(frozen=True, slots=True)
class Candidates:
    """Conditions, as SQL, that every run of interest meets; ``are_few`` says that they leave out most runs."""

    conditions: tuple[str, ...] = ()
    are_few: bool = False


NO_CANDIDATES: Final = Candidates()


@dataclass(frozen=True, slots=True)
class FilterContext:
    """The parameters and settings that conditions add to their statement, the columns, and the scope they are held to.

    ``tenant`` and ``visible`` are placeholders already bound, so that a filter cannot name another tenant. ``settings``
    collects what the engine must be told for a condition to work; the one who builds the statement passes it on.
    ``runs`` is a select of cells of the runs in scope that meet conditions; ``candidates`` is what is known of the run
    at hand without the filter. ``shared`` are selects that occur more than once, by their SQL, with the name that each
    has in the statement. ``repeats`` says that the statement holds each of its conditions more than once.
    ``feedback_bounds`` is what conditions on feedback further ask of it, from `` AND `` on. ``is_summed`` says that
    conditions are about a group of runs, and compare what its tokens and costs add up to. ``is_loose`` asks for what
    the indexes know alone: conditions that every run of interest meets, others too, and for which no text is read.
    """

    params: Params
    columns: ColumnMap
    tenant: str
    visible: str
    runs: Callable[[str, Sequence[str]], str]
    repeats: bool = False
    candidates: Candidates = NO_CANDIDATES
    feedback_bounds: str = ""
    is_summed: bool = False
    is_loose: bool = False
    settings: dict[str, int | str] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)

    def share(self, select: str, *, twice: bool = False) -> str:
        """A select to write instead, which the engine runs once however often it stands in the statement.

        The select itself where it stands there but once: ``twice`` says that one condition holds it twice.
        """
        if not self.repeats and not twice:
            return select
        self.settings["enable_materialized_cte"] = 1
        name = self.shared.setdefault(select, f"shared_{len(self.shared)}")
        return f"SELECT * FROM {name}"
