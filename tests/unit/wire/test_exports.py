"""Bodies about exports: what is read from them, and what is refused, always with the member that is wrong."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from runlake.errors import UserError
from runlake.model.export import ExportStatus
from runlake.model.export_content import Compression, ContentKind, FileFormat
from runlake.model.export_destination import AzurePlace, GcsPlace, LocalPlace, S3Place
from runlake.wire.export_destinations import read_destination_create, read_new_credentials
from runlake.wire.exports import read_export_create, read_new_status

DESTINATION, PROJECT = str(UUID(int=1)), str(UUID(int=2))
ONCE = {
    "bulk_export_destination_id": DESTINATION,
    "session_id": PROJECT,
    "start_time": "2026-01-01T00:00:00Z",
    "end_time": "2026-01-03T00:00:00Z",
}
S3 = {
    "destination_type": "s3",
    "display_name": "Ann's lake-1_x",
    "config": {"bucket_name": "traces", "region": "eu-west-1"},
    "credentials": {"access_key_id": "a", "secret_access_key": "b"},
}
ABSENT: Any = object()


def changed(base: dict[str, Any], change: dict[str, Any]) -> bytes:
    body = base | change
    return json.dumps({name: value for name, value in body.items() if value is not ABSENT}).encode()


def test_the_body_of_the_hosted_service_s_documentation_is_read() -> None:
    spec = read_export_create(
        changed(ONCE, {"filter": 'eq(run_type, "llm")', "format_version": "v2_beta", "compression": "gzip"})
    )
    assert spec.project_ids == (UUID(PROJECT),)
    assert (spec.start_us, spec.end_us) == (1767225600_000000, 1767398400_000000)
    assert (spec.format, spec.compression, spec.content) == (FileFormat.PARQUET, Compression.GZIP, ContentKind.RUNS)
    assert (spec.filter, spec.format_version, spec.fields) == ('eq(run_type, "llm")', "v2_beta", None)


@pytest.mark.parametrize(
    ("change", "attribute", "value"),
    [
        ({"format": "parquet"}, "format", FileFormat.PARQUET),
        ({"format": "JSONL", "compression": "zstd"}, "compression", Compression.ZSTANDARD),
        ({"format": "Arrow"}, "format", FileFormat.ARROW_FILE),
        ({}, "compression", Compression.ZSTANDARD),
        ({"filter": "  "}, "filter", None),
        ({"content": "feedback"}, "content", ContentKind.FEEDBACK),
        ({"session_id": ABSENT, "all_experiments": True}, "project_ids", ()),
        ({"session_id": ABSENT, "session_ids": [PROJECT, PROJECT]}, "project_ids", (UUID(PROJECT),)),
        ({"export_fields": ["id", "id", "name"]}, "fields", ("id", "name")),
        ({"end_time": ABSENT, "interval_hours": 168}, "interval_hours", 168),
        ({"end_time": None, "interval_hours": 1, "include_changes": True}, "include_changes", True),
    ],
)
def test_values_are_read(change: dict[str, Any], attribute: str, value: object) -> None:
    assert getattr(read_export_create(changed(ONCE, change)), attribute) == value


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bulk_export_destination_id": ABSENT}, "bulk_export_destination_id"),
        ({"bulk_export_destination_id": "here"}, "bulk_export_destination_id"),
        ({"session_id": ABSENT}, "session_id"),
        ({"session_id": "p"}, "session_id"),
        ({"session_ids": [PROJECT]}, "session_ids"),
        ({"session_id": ABSENT, "session_ids": "all"}, "session_ids"),
        ({"session_id": ABSENT, "session_ids": [PROJECT] * 251}, "session_ids"),
        ({"all_experiments": True}, "all_experiments"),
        ({"all_experiments": "yes"}, "all_experiments"),
        ({"start_time": ABSENT}, "start_time"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"start_time": "2026-01-03T00:00:00Z"}, "end_time"),
        ({"start_time": "2026-02-01T00:00:00Z"}, "end_time"),
        ({"end_time": ABSENT}, "end_time"),
        ({"end_time": "9999-99-99"}, "end_time"),
        ({"interval_hours": 6}, "end_time"),
        ({"end_time": ABSENT, "interval_hours": 0}, "interval_hours"),
        ({"end_time": ABSENT, "interval_hours": 169}, "interval_hours"),
        ({"end_time": ABSENT, "interval_hours": 1.5}, "interval_hours"),
        ({"end_time": ABSENT, "interval_hours": True}, "interval_hours"),
        ({"include_changes": True}, "include_changes"),
        ({"filter": 7}, "filter"),
        ({"tree_filter": ["a"]}, "tree_filter"),
        ({"format": "xml"}, "format"),
        ({"format": 1}, "format"),
        ({"format_version": "v3"}, "format_version"),
        ({"compression": "rar"}, "compression"),
        ({"format": "CSV", "compression": "snappy"}, "compression"),
        ({"format": "Arrow", "compression": "gzip"}, "compression"),
        ({"content": "everything"}, "content"),
        ({"export_fields": []}, "export_fields"),
        ({"export_fields": "id"}, "export_fields"),
        ({"export_fields": [1]}, "export_fields"),
    ],
)
def test_a_bad_export_is_refused_by_its_member(change: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError) as caught:
        read_export_create(changed(ONCE, change))
    assert caught.value.field == field
    assert 400 <= caught.value.status < 500


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (S3, S3Place(bucket="traces", region="eu-west-1")),
        (
            S3
            | {
                "config": {
                    "bucket_name": "traces",
                    "prefix": "/a//b/",
                    "endpoint_url": "https://minio.example.com:9000/",
                    "include_bucket_in_prefix": False,
                    "config_kwargs_s3": {"addressing_style": "virtual", "payload_signing_enabled": False},
                    "s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
                }
            },
            S3Place(
                bucket="traces",
                prefix="a/b",
                endpoint_url="https://minio.example.com:9000",
                include_bucket_in_prefix=False,
                path_style=False,
                unsigned_payload=True,
                put_arguments={"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": "true"},
            ),
        ),
        (
            S3
            | {
                "destination_type": "gcs",
                "config": {"bucket_name": "g-b"},
                "credentials": {"service_account_key": "{}"},
            },
            GcsPlace(bucket="g-b"),
        ),
        (
            S3
            | {
                "destination_type": "azure",
                "config": {"bucket_name": "box", "account_name": "acc"},
                "credentials": {"account_key": "k"},
            },
            AzurePlace(account="acc", container="box"),
        ),
        (
            S3 | {"destination_type": "local", "config": {"path": "x", "prefix": "y"}, "credentials": None},
            LocalPlace(path="x", prefix="y"),
        ),
    ],
    ids=["s3", "s3 with everything", "gcs", "azure", "local"],
)
def test_places_are_read(body: dict[str, Any], place: object) -> None:
    assert read_destination_create(changed(body, {})).place == place


def config(**change: Any) -> dict[str, Any]:
    return {"config": {"bucket_name": "traces", "region": "eu-west-1"} | change}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"destination_type": "ftp"}, "destination_type"),
        ({"destination_type": ABSENT}, "destination_type"),
        ({"display_name": ""}, "display_name"),
        ({"display_name": "   "}, "display_name"),
        ({"display_name": "key=AKIA/secret"}, "display_name"),
        ({"display_name": "a\nb"}, "display_name"),
        ({"display_name": 5}, "display_name"),
        ({"config": ABSENT}, "config"),
        (config(bucket_name="ab"), "config.bucket_name"),
        (config(bucket_name="a" * 64), "config.bucket_name"),
        (config(bucket_name="a/../b"), "config.bucket_name"),
        (config(bucket_name=None), "config.bucket_name"),
        (config(prefix="../up"), "config.prefix"),
        (config(prefix="a\u0000"), "config.prefix"),
        (config(prefix="x" * 2049), "config.prefix"),
        (config(region=None), "config.region"),
        (config(endpoint_url="ftp://x"), "config.endpoint_url"),
        (config(endpoint_url="http://user:pw@x"), "config.endpoint_url"),
        (config(endpoint_url="http://x/?a=b"), "config.endpoint_url"),
        (config(endpoint_url="file:///etc/passwd"), "config.endpoint_url"),
        (config(include_bucket_in_prefix="no"), "config.include_bucket_in_prefix"),
        (config(config_kwargs_s3={"addressing_style": "odd"}), "config.config_kwargs_s3"),
        (config(config_kwargs_s3={"proxies": {}}), "config.config_kwargs_s3"),
        (config(config_kwargs_s3={"use_accelerate_endpoint": True}), "config.config_kwargs_s3"),
        (config(s3_additional_kwargs={"Bucket": "other"}), "config.s3_additional_kwargs"),
        (config(s3_additional_kwargs=[]), "config.s3_additional_kwargs"),
        (config(aws_role_arn="arn:aws:iam::1:role/r"), "config.aws_role_arn"),
        (config(path="/srv"), "config.path"),
        ({"credentials": None}, "credentials.access_key_id"),
        ({"credentials": {"access_key_id": "a"}}, "credentials.secret_access_key"),
        ({"credentials": {**S3["credentials"], "password": "x"}}, "credentials"),  # type: ignore[dict-item]  # a dict
        ({"credentials": {"access_key_id": "a", "secret_access_key": ""}}, "credentials.secret_access_key"),
        ({"credentials": {"access_key_id": 1, "secret_access_key": "b"}}, "credentials.access_key_id"),
        ({"credentials": "a:b"}, "credentials"),
        ({"destination_type": "local", "config": {"path": "x"}}, "credentials"),
        ({"destination_type": "local", "config": {}, "credentials": None}, "config.path"),
    ],
)
def test_a_bad_destination_is_refused_by_its_member_and_no_secret_is_repeated(
    change: dict[str, Any], field: str
) -> None:
    base = S3 | {"credentials": {"access_key_id": "AKIAVISIBLE", "secret_access_key": "hush-hush"}}
    with pytest.raises(UserError) as caught:
        read_destination_create(changed(base, change))
    assert caught.value.field == field
    assert "AKIA" not in caught.value.message
    assert "hush-hush" not in caught.value.message


def test_credentials_do_not_appear_in_the_text_form_of_a_new_destination() -> None:
    new = read_destination_create(changed(S3, {"credentials": {"access_key_id": "AK", "secret_access_key": "hush"}}))
    assert "hush" not in repr(new)
    assert "hush" not in f"{new}"


def test_new_credentials_are_the_only_change_a_destination_takes() -> None:
    place = read_destination_create(changed(S3, {}))
    kind = S3["destination_type"]
    assert place.credentials == S3["credentials"]
    with pytest.raises(UserError) as caught:
        read_new_credentials(b'{"display_name": "x"}', kind)  # type: ignore[arg-type]  # the text is the enum's value
    assert caught.value.field == "credentials"


@pytest.mark.parametrize("status", ["Running", "cancelled", None, 3])
def test_only_cancelling_sets_a_status(status: object) -> None:
    assert read_new_status(b'{"status": "Cancelled"}') is ExportStatus.CANCELLED
    with pytest.raises(UserError) as caught:
        read_new_status(json.dumps({"status": status}).encode())
    assert caught.value.field == "status"
