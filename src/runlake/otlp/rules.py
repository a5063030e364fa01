"""The form of a mapping table: which attribute becomes which part of a run. The tables are in ``conventions``.

For a part that several attributes can give, the lowest ``rank`` wins; what loses and says something else stays in the
metadata under its own name, so nothing a span says is ever dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

Json = Any
Reader = Callable[[Json], Json]
"""Turns an attribute's value into what the run holds; None when it is not of that kind."""


class Target(Enum):
    """A part of a run; the value is how the documentation names it."""

    NAME = "`name`"
    RUN_TYPE = "`run_type`"
    PROJECT_NAME = "project, by name"
    PROJECT_ID = "project, by id"
    RUN_ID = "run id"
    TRACE_ID = "trace id"
    PARENT_ID = "`parent_run_id`"
    DOTTED_ORDER = "`dotted_order`"
    IS_ROOT = "a root, whatever its parent span"
    EXAMPLE_ID = "`reference_example_id`"
    TAGS = "`tags`"
    ATTACHMENTS = "attachments"
    MODEL = "model: metadata `ls_model_name`"
    PROVIDER = "provider: metadata `ls_provider`"
    PARAM = "`extra.invocation_params`"
    PARAMS = "`extra.invocation_params`, each member"
    USAGE = "`usage_metadata`"
    INPUTS = "`inputs`"
    OUTPUTS = "`outputs`"
    INPUT_PART = "`inputs`, one member"
    OUTPUT_PART = "`outputs`, one member"
    SYSTEM = "`inputs.messages`, first"
    METADATA = "metadata"
    METADATA_OBJECT = "metadata, each member"
    SERIALIZED = "`serialized`"
    # Looked up for every attribute; the hash that Enum brings is a Python call each time.
    __hash__ = object.__hash__

    FIRST_TOKEN_S = "`first_token_time`, from seconds after the start"  # noqa: S105 - no secret
    FIRST_TOKEN_MS = "`first_token_time`, from milliseconds after the start"  # noqa: S105 - ditto


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of a table.

    ``attribute`` is a whole name, or a prefix when it ends in a full stop; then an empty ``key`` means the rest of the
    name, and with ``build`` all attributes of the prefix are gathered into one nested value first.
    ``keep`` leaves the attribute in the metadata as well, where the run's part says less than it does.
    """

    attribute: str
    target: Target
    key: str = ""
    rank: int = 50
    read: Reader | None = None
    build: Reader | None = None
    keep: bool = False


Table = tuple[Rule, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RuleBook:
    """All tables by attribute."""

    exact: Mapping[str, Table]
    prefixes: Mapping[str, Table]

    def find(self, attribute: str) -> tuple[Table, str]:
        """The rules of an attribute, and what follows their prefix; the longest prefix counts."""
        found = self.exact.get(attribute)
        if found is not None:
            return found, ""
        # Names are the sender's: one of a million full stops must not cost a million look-ups.
        end = min(len(attribute), _LONGEST_PREFIX)
        while (end := attribute.rfind(".", 0, end)) > 0:
            found = self.prefixes.get(attribute[: end + 1])
            if found is not None:
                return found, attribute[end + 1 :]
        return _NONE, ""


_NONE: Final[Table] = ()
_LONGEST_PREFIX: Final = 64


def make_book(tables: Mapping[str, Table]) -> RuleBook:
    """One book of all tables; the order of tables does not matter, ranks do."""
    exact: dict[str, Table] = {}
    prefixes: dict[str, Table] = {}
    for rules in tables.values():
        for rule in rules:
            chosen = prefixes if rule.attribute.endswith(".") else exact
            chosen[rule.attribute] = (*chosen.get(rule.attribute, ()), rule)
    return RuleBook(exact, prefixes)
