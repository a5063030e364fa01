"""Datasets, their versions and comparisons of experiments as clients write and read them (documented upstream)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError
from runlake.model.dataset import (
    ComparativeExperiment,
    Dataset,
    DatasetCounts,
    DatasetDiff,
    DatasetVersion,
    DataType,
)
from runlake.model.project import Project
from runlake.model.run_record import FeedbackSummary
from runlake.wire.json_text import ABSENT, check_json, decode_object, raw_bytes
from runlake.wire.members import choice_member, ids_member
from runlake.wire.runs import FeedbackStats, feedback_stats
from runlake.wire.scalars import read_id, read_time
from runlake.wire.times import format_time

MAX_TAG_CHARS: Final = 200


class DatasetCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /datasets``. Unknown keys are ignored."""

    name: str
    id: UUID | None = None
    description: str | None = None
    data_type: DataType = DataType.KV
    created_at: str | None = None
    extra: dict[str, Any] | None = None
    inputs_schema_definition: dict[str, Any] | None = None
    outputs_schema_definition: dict[str, Any] | None = None
    transformations: list[dict[str, Any]] | None = None
    externally_managed: bool = False


class DatasetPatch(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /datasets/{id}``. What is absent stays; null clears all but the name."""

    name: str | None = None
    description: str | None = None
    metadata: dict[str, Any] | None = None
    inputs_schema_definition: dict[str, Any] | None = None
    outputs_schema_definition: dict[str, Any] | None = None
    transformations: list[dict[str, Any]] | None = None


class ComparativeCreate(msgspec.Struct, kw_only=True):
    """Body of ``POST /datasets/comparative``."""

    experiment_ids: list[UUID]
    id: UUID | None = None
    name: str | None = None
    description: str | None = None
    reference_dataset_id: UUID | None = None
    created_at: str | None = None
    extra: dict[str, Any] | None = None


class TagBody(msgspec.Struct, kw_only=True):
    """Body of ``PUT /datasets/{id}/tags``."""

    as_of: str
    tag: str


class _Sent(msgspec.Struct, gc=False):
    """Any of the bodies before its members are checked one by one."""

    name: Any = msgspec.UNSET
    id: Any = None
    description: Any = msgspec.UNSET
    data_type: Any = None
    created_at: Any = None
    externally_managed: Any = None
    experiment_ids: Any = None
    reference_dataset_id: Any = None
    as_of: Any = None
    tag: Any = None
    extra: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT
    inputs_schema_definition: msgspec.Raw = ABSENT
    outputs_schema_definition: msgspec.Raw = ABSENT
    transformations: msgspec.Raw = ABSENT


_SENT: Final = msgspec.json.Decoder(_Sent)


class DatasetFields(msgspec.Struct, frozen=True, kw_only=True):
    """What answers of v1 and v2 show of a dataset alike."""

    id: UUID
    tenant_id: UUID
    name: str
    description: str | None
    created_at: str
    modified_at: str
    data_type: DataType
    session_count: int
    last_session_start_time: str | None
    inputs_schema_definition: msgspec.Raw | None
    outputs_schema_definition: msgspec.Raw | None
    transformations: msgspec.Raw | None
    externally_managed: bool
    metadata: msgspec.Raw | None


class DatasetBody(DatasetFields, frozen=True, kw_only=True):
    """A dataset as answers show it."""

    example_count: int


class VersionBody(msgspec.Struct, frozen=True):
    """One version of a dataset."""

    as_of: str
    tags: tuple[str, ...]


class DiffBody(msgspec.Struct, frozen=True):
    """What changed between two versions."""

    examples_modified: tuple[UUID, ...]
    examples_added: tuple[UUID, ...]
    examples_removed: tuple[UUID, ...]


class ExperimentInfo(msgspec.Struct, frozen=True):
    """One experiment of a comparison."""

    id: UUID
    name: str


class ComparativeBody(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison of experiments as answers show it."""

    id: UUID
    tenant_id: UUID
    name: str | None
    description: str | None
    created_at: str
    modified_at: str
    reference_dataset_id: UUID
    extra: msgspec.Raw | None
    experiments_info: tuple[ExperimentInfo, ...]
    feedback_stats: Mapping[str, FeedbackStats]


class _Extra(msgspec.Struct, gc=False):
    metadata: msgspec.Raw = ABSENT


def read_dataset_create(body: bytes, *, tenant_id: UUID, now_us: int, new_id: Callable[[], UUID]) -> Dataset:
    """The dataset that a ``POST /datasets`` asks for."""
    sent = decode_object(body, _SENT)
    if sent.name in (msgspec.UNSET, None):
        raise InvalidError("name is missing; a dataset needs a name, a text of at least one character", field="name")
    created_at = now_us if sent.created_at is None else read_time(sent.created_at, "created_at")
    return Dataset(
        tenant_id=tenant_id,
        id=read_id(sent.id, "id") or new_id(),
        name=read_name(sent.name),
        created_at=created_at,
        modified_at=max(now_us, created_at),
        description=_text(sent.description, "description"),
        data_type=read_data_type(sent.data_type),
        extra=_object(sent.extra, "extra") or _as_extra(_object(sent.metadata, "metadata")),
        inputs_schema=_object(sent.inputs_schema_definition, "inputs_schema_definition"),
        outputs_schema=_object(sent.outputs_schema_definition, "outputs_schema_definition"),
        transformations=_list(sent.transformations, "transformations"),
        externally_managed=sent.externally_managed is True,
    )


def read_dataset_changes(body: bytes) -> dict[str, str | bytes | None]:
    """The fields that a ``PATCH /datasets/{id}`` sets."""
    sent = decode_object(body, _SENT)
    found: dict[str, str | bytes | None] = {}
    if sent.name is not msgspec.UNSET and sent.name is not None:
        found["name"] = read_name(sent.name)
    if sent.description is not msgspec.UNSET:
        found["description"] = _text(sent.description, "description")
    if bytes(sent.metadata):
        found["extra"] = _as_extra(_object(sent.metadata, "metadata"))
    for kind in ("inputs", "outputs"):
        raw = getattr(sent, f"{kind}_schema_definition")
        if bytes(raw):
            found[f"{kind}_schema"] = _object(raw, f"{kind}_schema_definition")
    if bytes(sent.transformations):
        found["transformations"] = _list(sent.transformations, "transformations")
    return found


def read_comparison(
    body: bytes, *, tenant_id: UUID, now_us: int, new_id: Callable[[], UUID]
) -> tuple[ComparativeExperiment, bool]:
    """The comparison that a ``POST /datasets/comparative`` asks for, and whether it names its dataset itself."""
    sent = decode_object(body, _SENT)
    experiments = () if sent.experiment_ids is None else ids_member(sent.experiment_ids, "experiment_ids")
    if not experiments:
        raise InvalidError("experiment_ids is missing; name the experiments to compare", field="experiment_ids")
    dataset_id = read_id(sent.reference_dataset_id, "reference_dataset_id")
    comparison = ComparativeExperiment(
        tenant_id=tenant_id,
        id=read_id(sent.id, "id") or new_id(),
        reference_dataset_id=dataset_id or experiments[0],
        experiment_ids=experiments,
        created_at=now_us if sent.created_at is None else read_time(sent.created_at, "created_at"),
        modified_at=now_us,
        name=_text(sent.name, "name"),
        description=_text(sent.description, "description"),
        extra=_object(sent.extra, "extra"),
    )
    return comparison, dataset_id is not None


def read_tag(body: bytes) -> tuple[int, str]:
    """Moment and tag of a ``PUT /datasets/{id}/tags``."""
    sent = decode_object(body, _SENT)
    if not isinstance(sent.tag, str) or not 0 < len(sent.tag.strip()) <= MAX_TAG_CHARS:
        raise InvalidError(f"tag must be a text of 1 to {MAX_TAG_CHARS} characters", field="tag")
    if sent.as_of is None:
        raise InvalidError("as_of is missing; give the time of the version to tag", field="as_of")
    return read_time(sent.as_of, "as_of"), sent.tag


def dataset_body(dataset: Dataset, counts: DatasetCounts) -> DatasetBody:
    """The wire object."""
    last = counts.last_experiment_start
    return DatasetBody(
        id=dataset.id,
        tenant_id=dataset.tenant_id,
        name=dataset.name,
        description=dataset.description,
        created_at=format_time(dataset.created_at),
        modified_at=format_time(dataset.modified_at),
        data_type=dataset.data_type,
        example_count=counts.examples,
        session_count=counts.experiments,
        last_session_start_time=None if last is None else format_time(last),
        inputs_schema_definition=_raw(dataset.inputs_schema),
        outputs_schema_definition=_raw(dataset.outputs_schema),
        transformations=_raw(dataset.transformations),
        externally_managed=dataset.externally_managed,
        metadata=_raw(dataset_metadata(dataset)),
    )


def dataset_metadata(dataset: Dataset) -> bytes | None:
    """``extra.metadata`` as raw JSON; None when there is none."""
    if dataset.extra is None:
        return None
    return raw_bytes(msgspec.json.decode(dataset.extra, type=_Extra).metadata) or None


def version_body(version: DatasetVersion) -> VersionBody:
    """The wire object."""
    return VersionBody(format_time(version.as_of), version.tags)


def diff_body(diff: DatasetDiff) -> DiffBody:
    """The wire object."""
    return DiffBody(examples_modified=diff.modified, examples_added=diff.added, examples_removed=diff.removed)


def comparison_body(
    comparison: ComparativeExperiment, experiments: Sequence[Project], feedback: Mapping[str, FeedbackSummary]
) -> ComparativeBody:
    """The wire object; ``experiments`` are those that are still there."""
    return ComparativeBody(
        id=comparison.id,
        tenant_id=comparison.tenant_id,
        name=comparison.name,
        description=comparison.description,
        created_at=format_time(comparison.created_at),
        modified_at=format_time(comparison.modified_at),
        reference_dataset_id=comparison.reference_dataset_id,
        extra=_raw(comparison.extra),
        experiments_info=tuple(ExperimentInfo(project.id, project.name) for project in experiments),
        feedback_stats=feedback_stats(feedback),
    )


def read_name(value: object) -> str:
    """The name of a dataset."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidError("name must be a text of at least one character that is no blank", field="name")
    return value


def read_data_type(value: object) -> DataType:
    """The kind of a dataset; ``kv`` for none."""
    return DataType.KV if value is None else DataType(choice_member(value, "data_type", tuple(DataType)))


def _as_extra(metadata: bytes | None) -> bytes | None:
    return None if metadata is None else b'{"metadata":' + metadata + b"}"


def _text(value: object, field: str) -> str | None:
    if value is None or value is msgspec.UNSET:
        return None
    if isinstance(value, str):
        return value
    raise InvalidError(f"{field} must be a text or null", field=field)


def _object(raw: msgspec.Raw, field: str) -> bytes | None:
    data = raw_bytes(raw)
    if data and not data.startswith(b"{"):
        raise InvalidError(f"{field} must be an object or null", field=field)
    return check_json(data) if data else None


def _list(raw: msgspec.Raw, field: str) -> bytes | None:
    data = raw_bytes(raw)
    if data and not data.startswith(b"["):
        raise InvalidError(f"{field} must be a list or null", field=field)
    return check_json(data) if data else None


def _raw(data: bytes | None) -> msgspec.Raw | None:
    return None if data is None else msgspec.Raw(data)
