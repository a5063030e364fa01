"""Settings: read once at start from flags, environment, file and defaults, in that order of precedence.

Each setting is declared once, with its documentation and bounds; ``docs/configuration.md``, ``runlake serve --help``
and the readers below all work from that declaration. Anything unknown is refused, because a misspelt setting that is
silently ignored is found only after the damage. Our choice throughout.
"""

# ruff: noqa: RUF009 -- _setting only builds a dataclasses.field with its documentation

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from runlake.errors import SettingsError

ENVIRONMENT_PREFIX: Final = "RUNLAKE_"
CONFIG_VARIABLE: Final = "RUNLAKE_CONFIG"
"""Names the settings file; the only variable with our prefix that is not itself a setting."""

SettingKind = Literal["text", "integer", "size", "path", "choice"]
SettingValue = str | int | Path | None
RawValue = object
"""A value as a source gives it: text from flags and environment, any TOML type from the file."""

MIB: Final = 1024 * 1024
_SIZE_UNITS: Final[Mapping[str, int]] = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1024,
    "mib": MIB,
    "gib": 1024 * MIB,
}
_SIZE: Final = re.compile(r"(\d{1,18})\s*([a-z]*)", re.IGNORECASE)


def _setting(
    default: SettingValue,
    doc: str,
    *,
    kind: SettingKind = "integer",
    minimum: int = 0,
    maximum: int = 2**53,
    choices: tuple[str, ...] = (),
) -> Any:
    meta = {"doc": doc, "kind": kind, "minimum": minimum, "maximum": maximum, "choices": choices}
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be configured. Units are in the names; sizes also read as ``100 MiB`` or ``2 GB``."""

    host: str = _setting("127.0.0.1", "Address to listen on; 0.0.0.0 serves the network.", kind="text")
    port: int = _setting(1984, "TCP port to listen on.", maximum=65535)
    data: Path = _setting(
        Path("runlake-data"),
        "Directory that holds everything stored; created when missing, used by one process at a time.",
        kind="path",
    )
    public_url: str | None = _setting(
        None, "Base URL that clients reach this server by, when a proxy stands in front of it.", kind="text"
    )
    auth: str = _setting(
        "auto",
        "Whether requests need an API key; auto: unless host is a loopback address and there is no public_url.",
        kind="choice",
        choices=("auto", "required", "off"),
    )
    metrics_access: str = _setting(
        "key",
        "Whether /metrics needs a key with the scope metrics, where keys are required.",
        kind="choice",
        choices=("key", "open"),
    )
    allowed_hosts: str | None = _setting(
        None,
        "Further names, separated by commas, by which clients may call a server that requires no keys; * for any.",
        kind="text",
    )
    cors_origins: str | None = _setting(
        None,
        "Web sites, separated by commas, whose pages may use the API; * for any, where keys are required.",
        kind="text",
    )
    max_connections: int = _setting(
        500, "Most connections at once; one more is answered 503 and closed.", minimum=1, maximum=100_000
    )
    max_header_bytes: int = _setting(
        64 * 1024, "Largest request line with headers; more is a 431.", kind="size", minimum=1024
    )
    receive_timeout_seconds: int = _setting(
        30,
        "How long a request's headers may take, or its body come at less than 1 KiB a second; then a 408.",
        minimum=1,
        maximum=3600,
    )
    send_timeout_seconds: int = _setting(
        300, "How long a client may take no part of its answer before it is cut off.", minimum=1, maximum=86400
    )
    ingest_requests_per_minute: int = _setting(
        0, "Writes a key may send each minute, in requests; 0 is no limit.", maximum=2**31 - 1
    )
    query_requests_per_minute: int = _setting(
        0, "Queries and changes a key may send each minute, in requests; 0 is no limit.", maximum=2**31 - 1
    )
    export_requests_per_minute: int = _setting(
        0, "Requests a key may send each minute to routes of exports; 0 is no limit.", maximum=2**31 - 1
    )
    log_level: str = _setting(
        "info", "Least severe log level that is written.", kind="choice", choices=("debug", "info", "warning", "error")
    )
    log_format: str = _setting(
        "auto",
        "Form of the log on standard error; auto is console on a terminal and json elsewhere.",
        kind="choice",
        choices=("auto", "console", "json"),
    )
    max_body_bytes: int = _setting(
        100 * MIB,
        "Largest request body as sent, that is before decompression; more is a 413.",
        kind="size",
        minimum=1024,
    )
    max_decoded_body_bytes: int = _setting(
        400 * MIB, "Largest request body after decompression; more is a 413.", kind="size", minimum=1024
    )
    max_pending_bytes: int = _setting(
        256 * MIB,
        "Writes accepted but not yet on disk, all requests together; beyond it writes get a 429 with Retry-After.",
        kind="size",
        minimum=MIB,
    )
    min_free_bytes: int = _setting(
        256 * MIB,
        "Disk space that writes leave free, for merges and deletes; below it writes get a 503 with Retry-After.",
        kind="size",
    )
    commit_window_ms: int = _setting(
        2, "How long the writer waits for more requests to share one fsynced commit, in milliseconds.", maximum=1000
    )
    query_max_seconds: int = _setting(
        30,
        "Longest a single query may run, in seconds; a longer one gets a 422 that says so.",
        minimum=1,
        maximum=86400,
    )
    query_max_memory_bytes: int = _setting(
        2048 * MIB, "Most memory a single query may use in the engine.", kind="size", minimum=64 * MIB
    )
    search_threads: int = _setting(
        4,
        "Queries with a filter, and statistics, that run at once; runs by id, traces and plain lists have their own.",
        minimum=1,
        maximum=64,
    )
    max_waiting_queries: int = _setting(
        100, "Queries of either kind that may wait for a thread; one more gets a 429 with Retry-After.", maximum=100_000
    )
    page_max_bytes: int = _setting(
        64 * MIB,
        "Payload bytes after which a page of runs ends early; the cursor continues it and no run is lost.",
        kind="size",
        minimum=MIB,
    )
    engine_max_memory_bytes: int = _setting(
        4096 * MIB, "Most memory the storage engine may use in all.", kind="size", minimum=512 * MIB
    )
    export_roots: str | None = _setting(
        None,
        "Directories that exports to this machine must lie below, separated like PATH; by default exports in data.",
        kind="text",
    )
    export_private_endpoints: str = _setting(
        "auto",
        "Whether exports may go to addresses of private networks; auto: only while no keys are required.",
        kind="choice",
        choices=("auto", "allow", "refuse"),
    )
    export_max_runs: int = _setting(
        0,
        "Days that this server exports at the same time, all exports together; 0: half as many as it has processors.",
        maximum=64,
    )
    export_max_pulls: int = _setting(
        2, "Straight pulls at the same time, of all clients together; one more gets a 429.", minimum=1, maximum=64
    )
    export_max_runs_per_export: int = _setting(
        45, "Days of one export that all servers together work on at the same time.", minimum=1, maximum=1000
    )
    export_file_max_bytes: int = _setting(
        512 * MIB, "Rows, in bytes of memory, after which an export begins a new file.", kind="size", minimum=MIB
    )
    export_file_max_rows: int = _setting(
        1_000_000, "Rows after which an export begins a new file.", minimum=1000, maximum=2**31
    )
    credentials_key_file: Path | None = _setting(
        None,
        "File with the 32 bytes that credentials of destinations are encrypted with; made in data when not set.",
        kind="path",
    )
    payload_threshold_bytes: int = _setting(
        MIB,
        "Payloads (inputs, outputs, extra, events, serialized) of this size and more are kept outside the rows.",
        kind="size",
        minimum=4096,
    )
    objects_url: str | None = _setting(
        None,
        "Bucket for attachments and large payloads, such as s3://bucket/path; the folder objects of data when not set.",
        kind="text",
    )
    silent_after_seconds: int = _setting(
        3600,
        "Time without a write after which answers mark a pending run with silent_seconds; 0 marks none.",
        maximum=10 * 365 * 86400,
    )
    attachment_link_seconds: int = _setting(
        3600, "How long a link to an attachment works, in seconds.", minimum=60, maximum=7 * 86400
    )
    drain_seconds: int = _setting(
        10, "How long a stopping server waits for requests in flight, in seconds.", maximum=3600
    )
    stop_delay_seconds: int = _setting(
        0,
        "How long a stopping server keeps serving while /readyz already fails, so that a load balancer notices.",
        maximum=600,
    )

    @property
    def keys_required(self) -> bool:
        """Whether requests must show a key."""
        if self.auth == "auto":
            # A public URL means that a proxy brings the requests of others to the loopback address.
            return self.public_url is not None or not is_loopback(self.host)
        return self.auth == "required"


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only; names other than localhost count as not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The declaration of one setting, for documentation and for reading."""

    name: str
    kind: SettingKind
    doc: str
    default: SettingValue
    minimum: int
    maximum: int
    choices: tuple[str, ...]

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def default_text(self) -> str:
        if self.default is None:
            return "not set"
        if self.kind == "size" and isinstance(self.default, int):
            return f"{self.default // MIB} MiB"
        return f"./{self.default}" if isinstance(self.default, Path) else str(self.default)


def _declared() -> Iterable[Setting]:
    for item in fields(Settings):
        default = None if item.default is MISSING else item.default
        yield Setting(name=item.name, default=default, **item.metadata)


SETTINGS: Final[tuple[Setting, ...]] = tuple(_declared())
_BY_NAME: Final[Mapping[str, Setting]] = {setting.name: setting for setting in SETTINGS}


def load_settings(
    *, flags: Mapping[str, RawValue] | None = None, environment: Mapping[str, str], config_file: Path | None = None
) -> Settings:
    """Combine all sources. ``flags`` holds only what was given; raises SettingsError on anything unusable."""
    from_environment = _read_environment(environment)
    path = config_file or (Path(named) if (named := environment.get(CONFIG_VARIABLE)) else None)
    values: dict[str, Any] = dict(_read_file(path)) if path is not None else {}
    values |= from_environment
    for name, raw in (flags or {}).items():
        values[name] = _read_value(_BY_NAME[name], raw, _BY_NAME[name].flag)
    return Settings(**values)


def _read_environment(environment: Mapping[str, str]) -> dict[str, SettingValue]:
    known = {setting.variable: setting for setting in SETTINGS}
    values: dict[str, SettingValue] = {}
    for variable, raw in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        setting = known.get(variable)
        if setting is None:
            raise _unknown(variable, "environment variable", (*known, CONFIG_VARIABLE))
        values[setting.name] = _read_value(setting, raw, variable)
    return values


def _read_file(path: Path) -> dict[str, SettingValue]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from error
    values: dict[str, SettingValue] = {}
    for key, raw in document.items():
        setting = _BY_NAME.get(key)
        if setting is None:
            raise _unknown(key, f"setting in {path}", _BY_NAME)
        values[key] = _read_value(setting, raw, f"{key} in {path}")
    return values


def _unknown(name: str, what: str, known: Iterable[str]) -> SettingsError:
    # Compared without the prefix, which would make any two variables look alike.
    bare = {item.removeprefix(ENVIRONMENT_PREFIX): item for item in known}
    near = difflib.get_close_matches(name.removeprefix(ENVIRONMENT_PREFIX), list(bare), n=1, cutoff=0.6)
    suggestion = bare[near[0]] if near else None
    hint = f"did you mean {suggestion}?" if suggestion else f"known are {', '.join(sorted(bare.values()))}"
    return SettingsError(f"unknown {what} {name!r}; {hint}", field=name, suggestion=suggestion)


def _read_value(setting: Setting, raw: RawValue, source: str) -> SettingValue:
    match setting.kind:
        case "integer":
            return _in_bounds(setting, _read_integer(raw, source), source)
        case "size":
            return _in_bounds(setting, _read_size(raw, source), source)
        case "path":
            return Path(_read_text(raw, source)).expanduser()
        case "choice":
            return _read_choice(setting, raw, source)
        case "text":
            return _read_text(raw, source)


def _read_text(raw: RawValue, source: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise SettingsError(f"{source} must be a non-empty text, not {raw!r}", field=source)
    return raw.strip()


def _read_integer(raw: RawValue, source: str) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and re.fullmatch(r"\s*\d{1,18}\s*", raw):
        return int(raw)
    raise SettingsError(f"{source} must be a whole number, not {raw!r}", field=source)


def _read_size(raw: RawValue, source: str) -> int:
    if isinstance(raw, str) and (match := _SIZE.fullmatch(raw.strip())):
        unit = _SIZE_UNITS.get(match[2].lower())
        if unit is not None:
            return int(match[1]) * unit
    elif isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    raise SettingsError(f"{source} must be a size such as 1048576, '100 MiB' or '2 GB', not {raw!r}", field=source)


def _read_choice(setting: Setting, raw: RawValue, source: str) -> str:
    text = raw.strip().lower() if isinstance(raw, str) else raw
    if isinstance(text, str) and text in setting.choices:
        return text
    raise SettingsError(f"{source} must be one of {', '.join(setting.choices)}, not {raw!r}", field=source)


def _in_bounds(setting: Setting, value: int, source: str) -> int:
    if setting.minimum <= value <= setting.maximum:
        return value
    raise SettingsError(f"{source} must be between {setting.minimum} and {setting.maximum}, not {value}", field=source)
