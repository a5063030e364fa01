"""What an export can contain and the forms it can be written in, as values. Imports nothing of ours."""

from __future__ import annotations

from enum import StrEnum


class ContentKind(StrEnum):
    """What one row of an export is.

    ``RUNS`` and ``TRACES`` have the same columns: the runs that match, or every run of each trace in which one matches.
    ``FEEDBACK`` is each feedback of the runs that match, ``FLATTENED`` one row for each root that matches.
    """

    RUNS = "runs"
    TRACES = "traces"
    FEEDBACK = "feedback"
    FLATTENED = "flattened"


class FileKind(StrEnum):
    """What of a run can be exported as a file of its own: its attachments, and payloads that the store keeps apart."""

    ATTACHMENT = "attachment"
    PAYLOAD = "payload"


class FileFormat(StrEnum):
    """``ARROW`` is the IPC stream, ``ARROW_FILE`` the IPC file with its footer (also known as Feather version 2)."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    ARROW = "arrow"
    ARROW_FILE = "arrow_file"
    CSV = "csv"


class Compression(StrEnum):
    """Names as the wire has them; which of them a format takes is known to ``export.formats``."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    ZSTANDARD = "zstandard"
