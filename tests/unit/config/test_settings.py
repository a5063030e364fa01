"""Where settings come from, which source wins, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runlake.config import MIB, SETTINGS, Settings, load_settings
from runlake.errors import SettingsError


def write(folder: Path, text: str) -> Path:
    path = folder / "runlake.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_means_the_defaults() -> None:
    assert load_settings(environment={}) == Settings()


def test_flags_win_over_environment_over_file_over_default(tmp_path: Path) -> None:
    path = write(tmp_path, 'port = 1\nhost = "file"\nlog_level = "error"\n')
    environment = {"RUNLAKE_PORT": "2", "RUNLAKE_HOST": "environment", "PATH": "/bin"}
    settings = load_settings(flags={"port": "3"}, environment=environment, config_file=path)
    assert (settings.port, settings.host, settings.log_level, settings.drain_seconds) == (3, "environment", "error", 10)


def test_the_file_may_be_named_in_the_environment_and_a_flag_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "port = 7\n")
    environment = {"RUNLAKE_CONFIG": str(path)}
    assert load_settings(environment=environment).port == 7
    assert load_settings(environment={"RUNLAKE_CONFIG": "/nowhere"}, config_file=path).port == 7


@pytest.mark.parametrize(
    ("raw", "size_bytes"),
    [
        ("4096", 4096),
        ("1 MiB", MIB),
        ("2mib", 2 * MIB),
        ("3 MB", 3_000_000),
        ("1GiB", 1024 * MIB),
        ("10 kb", 10_000),
        (5000, 5000),
    ],
)
def test_sizes_read_with_and_without_units(raw: object, size_bytes: int) -> None:
    assert load_settings(flags={"max_body_bytes": raw}, environment={}).max_body_bytes == size_bytes


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "text for a number": ({"RUNLAKE_PORT": "seven"}, "RUNLAKE_PORT must be a whole number, not 'seven'"),
    "negative number": ({"RUNLAKE_PORT": "-1"}, "RUNLAKE_PORT must be a whole number, not '-1'"),
    "number out of bounds": ({"RUNLAKE_PORT": "65536"}, "RUNLAKE_PORT must be between 0 and 65535, not 65536"),
    "size with a strange unit": ({"RUNLAKE_MAX_BODY_BYTES": "1 parsec"}, "RUNLAKE_MAX_BODY_BYTES must be a size"),
    "unknown choice": ({"RUNLAKE_LOG_LEVEL": "loud"}, "must be one of debug, info, warning, error, not 'loud'"),
    "empty text": ({"RUNLAKE_HOST": " "}, "RUNLAKE_HOST must be a non-empty text"),
    "misspelt variable": ({"RUNLAKE_PROT": "1"}, "did you mean RUNLAKE_PORT?"),
    "unknown variable": ({"RUNLAKE_XYZZY": "1"}, "unknown environment variable 'RUNLAKE_XYZZY'; known are"),
    "missing file": ({"RUNLAKE_CONFIG": "/nowhere.toml"}, "cannot read the settings file /nowhere.toml"),
}


@pytest.mark.parametrize(("environment", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused(environment: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment=environment)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1\n", "did you mean port?"),
        ("port = true\n", "must be a whole number, not True"),
        ("host = 5\n", "must be a non-empty text, not 5"),
        ("port = \n", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment={}, config_file=write(tmp_path, text))
    assert says in caught.value.message
    assert "runlake.toml" in caught.value.message


def test_a_suggestion_is_also_given_as_data() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment={"RUNLAKE_DATE": "x"})
    assert caught.value.suggestion == "RUNLAKE_DATA"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented_and_its_default_is_acceptable(setting: Any) -> None:
    assert setting.doc.endswith(".")
    if isinstance(setting.default, int):
        assert setting.minimum <= setting.default <= setting.maximum
    if setting.choices:
        assert setting.default in setting.choices
