"""Datasets, their examples and comparisons of experiments, as plain frozen data. Imports nothing of ours but files.

A dataset changes in versions. A version is named by its moment, ``as_of``, in microseconds since 1970 UTC; every write
of examples makes one, and none is ever changed. An example is a series of revisions, each valid from one version until
another, so any version can be read for as long as the dataset exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from runlake.model.attachments import Attachment, StoredAttachment

LATEST: Final = "latest"
"""The tag that always names the newest version (documented upstream)."""
DEFAULT_SPLIT: Final = "base"
"""The split of an example that names none (documented upstream)."""
ALWAYS: Final = 2**62
"""``valid_until`` of a revision that still holds."""


class DataType(StrEnum):
    """What the examples of a dataset look like; only clients act upon it (documented upstream)."""

    KV = "kv"
    LLM = "llm"
    CHAT = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A named set of examples.

    ``extra``, the schemas and ``transformations`` are raw JSON or None. ``version`` is the newest version, 0 while
    nothing was ever written. Times are microseconds since 1970 UTC.
    """

    tenant_id: UUID
    id: UUID
    name: str
    created_at: int
    modified_at: int
    description: str | None = None
    data_type: DataType = DataType.KV
    extra: bytes | None = None
    inputs_schema: bytes | None = None
    outputs_schema: bytes | None = None
    transformations: bytes | None = None
    externally_managed: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCounts:
    """What a dataset has: live examples, and experiments upon it."""

    examples: int = 0
    experiments: int = 0
    last_experiment_start: int | None = None


@dataclass(frozen=True, slots=True)
class DatasetPlace:
    """Where a dataset stands in a sorted listing: what it is sorted by, None where it has no such value, and its id."""

    value: str | int | None
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """One version and the tags that point to it."""

    as_of: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDiff:
    """What changed from one version to another."""

    added: tuple[UUID, ...]
    modified: tuple[UUID, ...]
    removed: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One revision of an example. ``inputs``, ``outputs`` and ``metadata`` are raw JSON objects or None.

    ``splits`` are not part of ``metadata`` here, though they are on the wire. ``modified_at`` is the version that
    brought this revision.
    """

    tenant_id: UUID
    id: UUID
    dataset_id: UUID
    created_at: int
    modified_at: int = 0
    valid_until: int = ALWAYS
    inputs: bytes | None = None
    outputs: bytes | None = None
    metadata: bytes | None = None
    splits: tuple[str, ...] = (DEFAULT_SPLIT,)
    source_run_id: UUID | None = None
    attachments: tuple[StoredAttachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleChange:
    """What a patch sets of one example; None leaves as it is.

    ``retained`` are the names of attachments to keep and ``renamed`` old names to new ones, both None when nothing was
    said about attachments; ``attachments`` are added to what these keep, or else replace all that there were.
    """

    id: UUID
    inputs: bytes | None = None
    outputs: bytes | None = None
    metadata: bytes | None = None
    splits: tuple[str, ...] | None = None
    dataset_id: UUID | None = None
    renamed: tuple[tuple[str, str], ...] | None = None
    retained: tuple[str, ...] | None = None
    attachments: tuple[StoredAttachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleDraft:
    """An example as sent: not yet stored are its ``files``, not yet copied what it takes from its source run.

    ``source_files`` are the names of the attachments to copy.
    """

    example: Example
    takes_source_io: bool = False
    source_files: tuple[str, ...] = ()
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDraft:
    """A change of an example as sent, whose ``files`` are not yet stored."""

    change: ExampleChange
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparativeExperiment:
    """A comparison of experiments on one dataset; ``extra`` is raw JSON."""

    tenant_id: UUID
    id: UUID
    reference_dataset_id: UUID
    experiment_ids: tuple[UUID, ...]
    created_at: int
    modified_at: int
    name: str | None = None
    description: str | None = None
    extra: bytes | None = None
