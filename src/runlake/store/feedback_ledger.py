"""Feedback tokens and feedback configs in the ledger. Every method blocks; a returned write is fsynced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from runlake.model.feedback_config import FeedbackConfig, FeedbackScale
from runlake.model.feedback_token import FeedbackToken
from runlake.store.feedback_schema import FEEDBACK_CONFIGS, FEEDBACK_TOKENS
from runlake.store.feedback_setup import ConfigFilter
from runlake.store.ledger import Ledger

_SCALE: Final = msgspec.json.Decoder(FeedbackScale)
_TOKEN_COLUMNS: Final = tuple(field.name for field in fields(FeedbackToken))
_CONFIG_COLUMNS: Final = tuple(field.name for field in fields(FeedbackConfig))


class TokenLedger:
    """The feedback tokens of one ledger. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, tokens: Sequence[FeedbackToken], *, forget_before: int) -> None:
        """Keep them all, or none; tokens that expired before ``forget_before`` are dropped."""
        rows = [{name: getattr(token, name) for name in _TOKEN_COLUMNS} for token in tokens]
        with self._ledger.writing() as connection:
            connection.execute(sa.delete(FEEDBACK_TOKENS).where(FEEDBACK_TOKENS.c.expires_at < forget_before))
            connection.execute(sa.insert(FEEDBACK_TOKENS), rows)

    def find(self, token: UUID) -> FeedbackToken | None:
        """What a token opens, whoever shows it, also when it has expired."""
        query = sa.select(FEEDBACK_TOKENS).where(FEEDBACK_TOKENS.c.token == token)
        with self._ledger.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _token(row)

    def list(self, tenant_id: UUID, run_id: UUID, *, now_us: int, offset: int, limit: int) -> list[FeedbackToken]:
        """Those of a run that can still be used, the newest first."""
        table = FEEDBACK_TOKENS.c
        query = (
            sa.select(FEEDBACK_TOKENS)
            .where(table.tenant_id == tenant_id, table.run_id == run_id, table.expires_at > now_us)
            .order_by(table.created_at.desc(), table.token)
            .offset(offset)
            .limit(limit)
        )
        with self._ledger.reading() as connection:
            return [_token(row) for row in connection.execute(query).mappings()]


class ConfigLedger:
    """The feedback configs of one ledger. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, config: FeedbackConfig) -> FeedbackConfig:
        """Keep it, unless its key has one already, which is handed back instead."""
        with self._ledger.writing() as connection:
            found = _live(connection, config.tenant_id, config.key)
            if found is not None:
                return found
            of_key = (FEEDBACK_CONFIGS.c.tenant_id == config.tenant_id, FEEDBACK_CONFIGS.c.key == config.key)
            older = connection.execute(sa.select(FEEDBACK_CONFIGS.c.id).where(*of_key).limit(1)).first()
            kept = replace(config, is_first=older is None)
            connection.execute(sa.insert(FEEDBACK_CONFIGS).values(**_config_row(kept)))
        return kept

    def read(self, tenant_id: UUID, key: str) -> FeedbackConfig | None:
        """The config of a key, unless it is deleted."""
        with self._ledger.reading() as connection:
            return _live(connection, tenant_id, key)

    def list(self, tenant_id: UUID, wanted: ConfigFilter, *, offset: int, limit: int) -> list[FeedbackConfig]:
        """By key, then by creation."""
        table = FEEDBACK_CONFIGS.c
        query = (
            sa.select(FEEDBACK_CONFIGS)
            .where(table.tenant_id == tenant_id, *_conditions(wanted))
            .order_by(table.key, table.created_at, table.id)
            .offset(offset)
            .limit(limit)
        )
        with self._ledger.reading() as connection:
            return [_config(row) for row in connection.execute(query).mappings()]

    def replace(self, old: FeedbackConfig, new: FeedbackConfig) -> bool:
        """Put ``new`` where ``old`` is; False, and nothing happens, when that has changed or is gone meanwhile."""
        table = FEEDBACK_CONFIGS.c
        unchanged = (
            table.tenant_id == old.tenant_id,
            table.id == old.id,
            table.scale == msgspec.json.encode(old.scale),
            table.is_lower_score_better == old.is_lower_score_better,
            table.deleted_at.is_(None),
        )
        with self._ledger.writing() as connection:
            done = connection.execute(sa.update(FEEDBACK_CONFIGS).where(*unchanged).values(**_config_row(new)))
        return done.rowcount == 1


def _live(connection: Connection, tenant_id: UUID, key: str) -> FeedbackConfig | None:
    table = FEEDBACK_CONFIGS.c
    query = sa.select(FEEDBACK_CONFIGS).where(
        table.tenant_id == tenant_id, table.key == key, table.deleted_at.is_(None)
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else _config(row)


def _conditions(wanted: ConfigFilter) -> list[sa.ColumnElement[bool]]:
    table = FEEDBACK_CONFIGS.c
    found: list[sa.ColumnElement[bool]] = []
    if wanted.keys is not None:
        found.append(table.key.in_(wanted.keys))
    if wanted.ids is not None:
        found.append(table.id.in_(wanted.ids))
    if wanted.name_contains is not None:
        found.append(table.key.icontains(wanted.name_contains, autoescape=True))
    if not wanted.with_deleted:
        found.append(table.deleted_at.is_(None))
    return found


def _token(row: Mapping[Any, Any]) -> FeedbackToken:
    return FeedbackToken(**{name: row[name] for name in _TOKEN_COLUMNS})


def _config_row(config: FeedbackConfig) -> dict[str, Any]:
    row = {name: getattr(config, name) for name in _CONFIG_COLUMNS}
    return {**row, "scale": msgspec.json.encode(config.scale)}


def _config(row: Mapping[Any, Any]) -> FeedbackConfig:
    cells = {name: row[name] for name in _CONFIG_COLUMNS}
    return FeedbackConfig(**{**cells, "scale": _SCALE.decode(row["scale"])})
