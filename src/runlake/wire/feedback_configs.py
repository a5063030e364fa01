"""Feedback configs as clients write and read them (shapes documented upstream, bodies seen in the SDK)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, UserError
from runlake.model.feedback_config import Category, FeedbackConfig, FeedbackScale, FeedbackType
from runlake.wire.feedback import read_key
from runlake.wire.json_text import decode_object, decode_value
from runlake.wire.members import choice_member, flag_member, text_member
from runlake.wire.scalars import read_id
from runlake.wire.times import format_time

MAX_CATEGORIES: Final = 1_000
_MIN_CATEGORIES: Final = 2
_FIELD: Final = "feedback_config"
_TYPES: Final = tuple(kind.value for kind in FeedbackType)


class CategoryBody(msgspec.Struct, frozen=True):
    """A score and what it is called."""

    value: float
    label: str | None = None


class ScaleBody(msgspec.Struct, frozen=True, kw_only=True):
    """What scores mean: ``type`` is ``continuous``, ``categorical`` or ``freeform``."""

    type: str
    min: float | None = None
    max: float | None = None
    categories: list[CategoryBody] | None = None
    allows_multiple_categories: bool = False


class FeedbackConfigCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /feedback-configs``."""

    feedback_key: str
    feedback_config: ScaleBody
    is_lower_score_better: bool | None = None
    is_enforced: bool = False


class FeedbackConfigPatch(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /feedback-configs``. What is absent or null stays as it is."""

    feedback_key: str
    id: UUID | None = None
    feedback_config: ScaleBody | None = None
    is_lower_score_better: bool | None = None
    add_categories: list[CategoryBody] | None = None
    remove_categories: list[float] | None = None


class FeedbackConfigBody(msgspec.Struct, frozen=True, kw_only=True):
    """The config of a key."""

    id: UUID
    feedback_key: str
    feedback_config: ScaleBody
    tenant_id: UUID
    modified_at: str
    is_lower_score_better: bool
    is_enforced: bool = False
    is_first: bool
    is_deleted: bool


class _Sent(msgspec.Struct, gc=False):
    feedback_key: Any = None
    id: Any = None
    feedback_config: Any = None
    is_lower_score_better: Any = None
    is_enforced: Any = None
    add_categories: Any = None
    remove_categories: Any = None


_SENT: Final = msgspec.json.Decoder(_Sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConfig:
    """What a create body says."""

    key: str
    scale: FeedbackScale
    is_lower_score_better: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """What a patch body says; None leaves something as it is."""

    key: str
    id: UUID | None
    scale: FeedbackScale | None
    is_lower_score_better: bool | None
    added: tuple[Category, ...]
    removed: tuple[float, ...]

    def apply(self, config: FeedbackConfig, *, now_us: int) -> FeedbackConfig:
        """The changed config; InvalidError where its categories would make no sense."""
        lower = config.is_lower_score_better if self.is_lower_score_better is None else self.is_lower_score_better
        scale = self.scale or config.scale
        if self.added or self.removed:
            scale = self._with_categories(scale)
        return replace(config, scale=scale, is_lower_score_better=lower, modified_at=now_us)

    def _with_categories(self, scale: FeedbackScale) -> FeedbackScale:
        if scale.type is not FeedbackType.CATEGORICAL:
            message = f"feedback with the key {self.key!r} is {scale.type.value}; only categorical has categories"
            raise InvalidError(message, field="add_categories" if self.added else "remove_categories")
        kept = [category for category in scale.categories or () if category.value not in self.removed]
        return _checked(replace(scale, categories=(*kept, *self.added)))


def read_new_config(body: bytes) -> NewConfig:
    """A create body. Raises ``MalformedError`` or ``InvalidError``."""
    sent = decode_object(body, _SENT)
    if sent.is_enforced is not None and flag_member(sent.is_enforced, "is_enforced"):
        raise InvalidError(
            "is_enforced is not supported: configs say what scores mean, and no feedback is refused for them",
            field="is_enforced",
        )
    if sent.feedback_config is None:
        raise InvalidError("feedback_config is missing; send an object with a type", field=_FIELD)
    return NewConfig(
        key=read_key(sent.feedback_key, "feedback_key"),
        scale=read_scale(sent.feedback_config),
        is_lower_score_better=_flag(sent.is_lower_score_better, "is_lower_score_better"),
    )


def read_config_change(body: bytes) -> ConfigChange:
    """A patch body. Raises ``MalformedError`` or ``InvalidError``."""
    sent = decode_object(body, _SENT)
    removed = _list(sent.remove_categories, "remove_categories")
    return ConfigChange(
        key=read_key(sent.feedback_key, "feedback_key"),
        id=read_id(sent.id, "id"),
        scale=None if sent.feedback_config is None else read_scale(sent.feedback_config),
        is_lower_score_better=_flag(sent.is_lower_score_better, "is_lower_score_better"),
        added=_categories(sent.add_categories, "add_categories"),
        removed=tuple(_number(item, "remove_categories") for item in removed),
    )


def read_scale_text(raw: bytes) -> FeedbackScale | None:
    """The scale that came with a judgement; None when it is none, because a judgement is not refused for that."""
    try:
        return read_scale(decode_value(raw))
    except UserError:
        return None


def read_scale(value: object) -> FeedbackScale:
    """What the scores of a key mean. Raises ``InvalidError``."""
    if not isinstance(value, dict):
        raise InvalidError('feedback_config must be an object such as {"type": "continuous", "min": 0}', field=_FIELD)
    kind = FeedbackType(choice_member(value.get("type"), f"{_FIELD}.type", _TYPES))
    categories, multiple = value.get("categories"), value.get("allows_multiple_categories")
    field = f"{_FIELD}.categories"
    return _checked(
        FeedbackScale(
            type=kind,
            min=_bound(value.get("min"), "min"),
            max=_bound(value.get("max"), "max"),
            categories=None
            if categories is None
            else tuple(_category(item, field) for item in _list(categories, field)),
            allows_multiple_categories=_flag(multiple, f"{_FIELD}.allows_multiple_categories") or False,
        )
    )


def _checked(scale: FeedbackScale) -> FeedbackScale:
    """The scale, if it makes sense."""
    if scale.min is not None and scale.max is not None and scale.min > scale.max:
        raise InvalidError(f"min {scale.min} is above max {scale.max}", field=f"{_FIELD}.min")
    if scale.type is not FeedbackType.CATEGORICAL:
        if scale.categories:
            raise InvalidError(f"{scale.type.value} feedback has no categories", field=f"{_FIELD}.categories")
        return scale
    categories = scale.categories or ()
    if not _MIN_CATEGORIES <= len(categories) <= MAX_CATEGORIES:
        message = f"{len(categories)} categories; categorical feedback has {_MIN_CATEGORIES} to {MAX_CATEGORIES}"
        raise InvalidError(message, field=f"{_FIELD}.categories")
    _check_distinct([category.value for category in categories], "value")
    _check_distinct([category.label for category in categories if category.label is not None], "label")
    return scale


def _check_distinct(found: Sequence[object], what: str) -> None:
    seen: set[object] = set()
    for item in found:
        if item in seen:
            raise InvalidError(f"two categories have the {what} {item!r}", field=f"{_FIELD}.categories")
        seen.add(item)


def _categories(value: object, field: str) -> tuple[Category, ...]:
    return tuple(_category(item, field) for item in _list(value, field))


def _category(value: object, field: str) -> Category:
    if not isinstance(value, dict):
        raise InvalidError(f'{field} must be a list of objects such as {{"value": 1, "label": "good"}}', field=field)
    label = value.get("label")
    return Category(_number(value.get("value"), field), None if label is None else text_member(label, field))


def _list(value: object, field: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidError(f"{field} must be a list", field=field)
    return value


def _bound(value: object, name: str) -> float | None:
    return None if value is None else _number(value, f"{_FIELD}.{name}")


def _number(value: object, field: str) -> float:
    if not isinstance(value, bool) and isinstance(value, int | float):
        with suppress(OverflowError):
            if math.isfinite(number := float(value)):
                return number
    raise InvalidError(f"{field} needs a number", field=field)


def _flag(value: object, field: str) -> bool | None:
    return None if value is None else flag_member(value, field)


def config_body(config: FeedbackConfig) -> FeedbackConfigBody:
    """The wire object."""
    scale = config.scale
    categories = scale.categories
    return FeedbackConfigBody(
        id=config.id,
        feedback_key=config.key,
        feedback_config=ScaleBody(
            type=scale.type.value,
            min=scale.min,
            max=scale.max,
            categories=None if categories is None else [CategoryBody(item.value, item.label) for item in categories],
            allows_multiple_categories=scale.allows_multiple_categories,
        ),
        tenant_id=config.tenant_id,
        modified_at=format_time(config.modified_at),
        is_lower_score_better=config.is_lower_score_better,
        is_first=config.is_first,
        is_deleted=config.deleted_at is not None,
    )
