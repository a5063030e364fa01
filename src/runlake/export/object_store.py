"""Destinations in S3-compatible stores, Google Cloud Storage and Azure; the only module that imports obstore.

A file is first written to a spool directory and then uploaded whole: an object store shows an object when its upload is
complete, so nobody ever sees half of one, and an upload that fails can be repeated without reading the store again.
Configuration comes from the destination alone: obstore would fill gaps from the environment (an endpoint or a session
token of the server's own), so every member that it looks for there is set here (seen on obstore 0.12).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, assert_never, cast

import msgspec

from runlake.errors import DestinationError, InvalidError
from runlake.export.storage import PendingFile, StoredFile
from runlake.model.export_destination import AzurePlace, Credentials, GcsPlace, S3Place

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CHUNK_BYTES: Final = 16 << 20
_PARALLEL_CHUNKS: Final = 3
_PIECE_BYTES: Final = 4 << 20
_DELETE_AT_ONCE: Final = 500

# Retries inside a call are few: the export run is what is retried, durably and with a growing wait.
_RETRY: Final[Any] = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=2), "base": 2},
}
_CLIENT: Final[Any] = {
    "allow_http": True,
    "connect_timeout": timedelta(seconds=10),
    "timeout": timedelta(seconds=120),
    "user_agent": "runlake",
}

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>([^<]{1,100})</Code>")
_MESSAGE: Final = re.compile(r'<Message>([^<]{1,300})</Message>|"message":\s*"([^"]{1,300})"')
_TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 507, 509})
_TRANSIENT_CODES: Final = frozenset({"SlowDown", "RequestTimeout", "Throttling", "InternalError", "ServiceUnavailable"})
_UNREACHABLE: Final = (
    ("dns error", "its name has no address"),
    ("onnection refused", "it refuses connections"),
    ("timed out", "it does not answer in time"),
    ("imed out", "it does not answer in time"),
    ("certificate", "its certificate is not valid"),
)


class ObjectStorage:
    """``Storage`` in a bucket. ``spool`` is an existing local directory for files on their way."""

    def __init__(self, store: ObjectStore, *, prefix: str, spool: Path, storage_class: str | None = None) -> None:
        self._store = store
        self._prefix = f"{prefix}/" if prefix else ""
        self._spool = spool
        self._attributes: Any = {"Storage-Class": storage_class} if storage_class else None

    @contextmanager
    def pending(self, path: str) -> Iterator[PendingFile]:
        try:
            spooled = tempfile.NamedTemporaryFile(dir=self._spool, prefix="upload-")  # noqa: SIM115 -- closed below
        except OSError as error:
            raise DestinationError(
                f"the spool directory cannot be written: {error.strerror}", transient=True
            ) from error
        with spooled:
            file = cast("BinaryIO", spooled)
            yield _Pending(file, lambda: self._upload(path, Path(spooled.name)))

    def put(self, path: str, data: bytes) -> None:
        import obstore  # noqa: PLC0415 -- loaded with the first export to a bucket

        with _told():
            obstore.put(self._store, self._prefix + path, data, attributes=self._attributes)

    def files(self, folder: str) -> list[StoredFile]:
        import obstore  # noqa: PLC0415 -- as above

        with _told():
            return [
                StoredFile(item["path"].removeprefix(self._prefix), item["size"])
                for page in obstore.list(self._store, self._prefix + folder)
                for item in page
            ]

    def read(self, path: str) -> Iterator[bytes]:
        import obstore  # noqa: PLC0415 -- as above

        with _told():
            for piece in obstore.get(self._store, self._prefix + path).stream(min_chunk_size=_PIECE_BYTES):
                yield bytes(piece)

    def delete(self, paths: Sequence[str]) -> None:
        import obstore  # noqa: PLC0415 -- as above

        for start in range(0, len(paths), _DELETE_AT_ONCE):
            with _told():
                obstore.delete(self._store, [self._prefix + path for path in paths[start : start + _DELETE_AT_ONCE]])

    def _upload(self, path: str, spooled: Path) -> None:
        import obstore  # noqa: PLC0415 -- as above

        with _told(), spooled.open("rb") as source:
            obstore.put(
                self._store,
                self._prefix + path,
                source,
                attributes=self._attributes,
                chunk_size=_CHUNK_BYTES,
                max_concurrency=_PARALLEL_CHUNKS,
            )


class _Pending:
    def __init__(self, sink: BinaryIO, upload: Callable[[], None]) -> None:
        self.sink = sink
        self._upload = upload

    def publish(self) -> None:
        self.sink.flush()
        self._upload()


def open_object_storage(
    place: S3Place | GcsPlace | AzurePlace, credentials: Credentials, *, spool: Path
) -> ObjectStorage:
    """The bucket of a destination; nothing is sent yet. InvalidError when credentials cannot be read."""
    try:
        match place:
            case S3Place():
                storage_class = place.put_arguments.get("StorageClass")
                store = _s3(place, credentials)
                return ObjectStorage(store, prefix=place.prefix, spool=spool, storage_class=storage_class)
            case GcsPlace():
                return ObjectStorage(_gcs(place, credentials), prefix=place.prefix, spool=spool)
            case AzurePlace():
                return ObjectStorage(_azure(place, credentials), prefix=place.prefix, spool=spool)
            case _:
                assert_never(place)
    except (ValueError, TypeError) as error:
        # The text of such an error may quote the credentials.
        raise InvalidError("the configuration or the credentials cannot be used", field="credentials") from error


def _s3(place: S3Place, credentials: Credentials) -> ObjectStore:
    from obstore.store import S3Store  # noqa: PLC0415 -- as above

    region = place.region or "us-east-1"
    path_style = place.endpoint_url is not None if place.path_style is None else place.path_style
    endpoint = place.endpoint_url or f"https://s3.{region}.amazonaws.com"
    if not path_style:
        scheme, _, host = endpoint.partition("://")
        endpoint = f"{scheme}://{place.bucket}.{host}"
    arguments = place.put_arguments
    config: dict[str, Any] = {
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "region": region,
        "virtual_hosted_style_request": not path_style,
        "unsigned_payload": place.unsigned_payload,
        "skip_signature": False,
    }
    for name, member in (
        ("ServerSideEncryption", "server_side_encryption"),
        ("SSEKMSKeyId", "sse_kms_key_id"),
        ("BucketKeyEnabled", "sse_bucket_key_enabled"),
        ("RequestPayer", "request_payer"),
    ):
        if name in arguments:
            config[member] = arguments[name]

    def provide() -> Any:
        return {
            "access_key_id": credentials["access_key_id"],
            "secret_access_key": credentials["secret_access_key"],
            "token": credentials.get("session_token"),
            "expires_at": None,
        }

    return S3Store(
        place.bucket,
        config=cast("Any", config),
        client_options=_CLIENT,
        retry_config=_RETRY,
        credential_provider=provide,
    )


_GOOGLE_TOKENS: Final = "https://oauth2.googleapis.com/token"


class _KeyFile(msgspec.Struct):
    token_uri: str = _GOOGLE_TOKENS
    gcs_base_url: msgspec.UnsetType = msgspec.UNSET
    """Never set: obstore would speak to it instead of Google."""


def _gcs(place: GcsPlace, credentials: Credentials) -> ObjectStore:
    from obstore.store import GCSStore  # noqa: PLC0415 -- as above

    key = credentials["service_account_key"]
    # A key file may name another address to fetch tokens from; only Google's own is meant.
    if msgspec.json.decode(key, type=_KeyFile).token_uri != _GOOGLE_TOKENS:
        raise ValueError("the key file names a foreign token address")
    return GCSStore(
        place.bucket,
        config={"service_account_key": key, "base_url": "https://storage.googleapis.com", "skip_signature": False},
        client_options=_CLIENT,
        retry_config=_RETRY,
    )


def _azure(place: AzurePlace, credentials: Credentials) -> ObjectStore:
    from obstore.store import AzureStore  # noqa: PLC0415 -- as above

    endpoint = place.endpoint_url or f"https://{place.account}.blob.core.windows.net"
    return AzureStore(
        place.container,
        config={
            "account_name": place.account,
            "account_key": credentials["account_key"],
            "endpoint": endpoint,
            "use_emulator": False,
            "skip_signature": False,
        },
        client_options=_CLIENT,
        retry_config=_RETRY,
    )


@contextmanager
def _told() -> Iterator[None]:
    """An error of the provider: its status, code and message, and nothing else of what it answered.

    The rest of an answer could be that of any inner service a destination points to, and belongs to nobody's eyes.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415 -- as above

    try:
        yield
    except (BaseError, OSError) as error:
        raise _translate(str(error)) from None


def _translate(text: str) -> DestinationError:
    status = _STATUS.search(text)
    if status is None:
        reason = next((told for sign, told in _UNREACHABLE if sign in text), "the connection failed")
        return DestinationError(f"the destination cannot be reached: {reason}", transient=True)
    code, message = _CODE.search(text), _MESSAGE.search(text)
    said = [part for part in (code and code[1], message and (message[1] or message[2])) if part]
    transient = int(status[1]) in _TRANSIENT_STATUS or bool(code and code[1] in _TRANSIENT_CODES)
    detail = ": ".join(said) or "without a reason"
    return DestinationError(f"the destination answered {status[1]} ({detail})", transient=transient)


def open_from_environment(url: str) -> ObjectStorage:
    """A bucket, or a folder of one, with the credentials of whoever runs this program; for reading.

    Never for a server: its own identity is not its callers'.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415 -- as above
    from obstore.store import from_url  # noqa: PLC0415 -- as above

    try:
        store = from_url(url, client_options=_CLIENT, retry_config=_RETRY)
    except (BaseError, ValueError) as error:
        raise InvalidError(f"{url!r} is not the address of a bucket: {str(error).splitlines()[0]}") from None
    return ObjectStorage(store, prefix="", spool=Path(tempfile.gettempdir()))
