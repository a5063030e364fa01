"""Creates and upgrades the engine's tables: numbered ``.sql`` files, applied once each, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

from runlake.store.engine import Engine, Params, Statement

_FILE_NAME = re.compile(r"^(\d{4})_[a-z_]+\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    statements: tuple[str, ...]


def read_migrations() -> tuple[Migration, ...]:
    """Every migration shipped with the package, in order."""
    found: list[Migration] = []
    for entry in resources.files("runlake.store").joinpath("migrations").iterdir():
        match = _FILE_NAME.match(entry.name)
        if match is not None:
            found.append(Migration(int(match[1]), entry.name, _split(entry.read_text("utf-8"))))
    return tuple(sorted(found, key=lambda migration: migration.number))


def migrate(engine: Engine) -> int:
    """Bring the tables up to date and return the schema's number; safe to repeat."""
    engine.command(
        Statement(
            "CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, applied_at DateTime DEFAULT now()) "
            "ENGINE = MergeTree ORDER BY number SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
        )
    )
    applied = schema_number(engine)
    for migration in read_migrations():
        if migration.number > applied:
            _apply(engine, migration)
            applied = migration.number
    return applied


def schema_number(engine: Engine) -> int:
    """The number of the last applied migration, 0 for none."""
    return int(str(engine.select(Statement("SELECT max(number) FROM migrations")).rows[0][0]))


def _apply(engine: Engine, migration: Migration) -> None:
    for sql in migration.statements:
        engine.command(Statement(sql))
    params = Params()
    number, name = params.add("UInt32", migration.number), params.add("String", migration.name)
    engine.command(Statement(f"INSERT INTO migrations (number, name) VALUES ({number}, {name})", params.as_tuple()))


def _split(text: str) -> tuple[str, ...]:
    """The statements of a migration file: comments are whole lines, a statement ends with ``;`` at a line's end."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return tuple(part.strip() for part in re.split(r";\s*(?:\n|$)", code) if part.strip())
