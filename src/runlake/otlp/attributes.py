"""The attributes of one span, sorted to the parts of a run by the rules of all conventions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from runlake.otlp.conventions import RULES
from runlake.otlp.rules import Json, Rule, Target
from runlake.otlp.spans import Attributes
from runlake.otlp.values import as_lists, put_at

_REMEMBERED_NAMES: Final = 8_192
_LONGEST_REMEMBERED: Final = 200
_find = lru_cache(maxsize=_REMEMBERED_NAMES)(RULES.find)


@dataclass(frozen=True, slots=True)
class Offer:
    """One value for one part, and where it came from."""

    rank: int
    attribute: str
    value: Json


class Sorted:
    """What the attributes say, part by part. Filled once per span, then read."""

    __slots__ = ("_best", "_metadata", "_trees")

    def __init__(self) -> None:
        self._best: dict[Target, dict[str, Offer]] = {}
        self._metadata: dict[str, Json] = {}
        self._trees: dict[Rule, dict[str, Any]] = {}

    def add(self, attributes: Attributes) -> None:
        """Sort more attributes; ``settle`` must follow."""
        for name, value in attributes.items():
            if value is not None:
                self._add_one(name, value)

    def settle(self) -> None:
        """Build what was gathered from indexed attributes."""
        trees, self._trees = self._trees, {}
        for rule, tree in trees.items():
            name = rule.attribute[:-1]
            built = None if rule.build is None else rule.build(tree)
            if built is None:
                self._metadata.setdefault(name, as_lists(tree))
            else:
                self.offer(rule.target, rule.key, Offer(rule.rank, name, built))

    def offer(self, target: Target, key: str, offered: Offer) -> None:
        """Keep the better of two values for a part; the other stays in the metadata when it says something else."""
        part = self._best.setdefault(target, {})
        known = part.get(key)
        if known is None:
            part[key] = offered
            return
        better, other = (offered, known) if offered.rank < known.rank else (known, offered)
        part[key] = better
        if other.value != better.value:
            self._metadata[other.attribute] = other.value

    def first(self, target: Target, key: str = "") -> Json:
        """The value of a part, None when no attribute gives it."""
        found = self._best.get(target)
        if found is None or key not in found:
            return None
        return found[key].value

    def parts(self, target: Target) -> dict[str, Json]:
        """The members of a part that has several, by key."""
        found = self._best.get(target)
        return {} if found is None else {key: offer.value for key, offer in found.items() if key}

    def offers(self, target: Target) -> Iterable[Offer]:
        """Every value that stands for a part, with where it came from."""
        return self._best.get(target, {}).values()

    def metadata(self) -> dict[str, Json]:
        """What no rule takes, and what lost."""
        return self._metadata

    def _add_one(self, name: str, value: Json) -> None:
        rules, rest = _find(name) if len(name) <= _LONGEST_REMEMBERED else RULES.find(name)
        used = False
        for rule in rules:
            if rule.build is not None:
                put_at(self._trees.setdefault(rule, {}), rest, value)
                used = True
                continue
            read = value if rule.read is None else rule.read(value)
            if read is None:
                continue
            self.offer(rule.target, rule.key or rest, Offer(rule.rank, name, read))
            used = used or not rule.keep
        if not used:
            self._metadata[name] = value
