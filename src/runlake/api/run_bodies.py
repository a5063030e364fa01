"""Runs as v1 answers show them: links to their files, tokens of shared traces, what datasets they are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from uuid import UUID

from litestar import Response

from runlake.api.answers import json_answer
from runlake.api.bodies import AnyRequest
from runlake.model.run_record import RunRecord, RunSelect
from runlake.query.memberships import Memberships
from runlake.query.shares import Shares
from runlake.wire.attachment_links import AttachmentLinks
from runlake.wire.json_text import without_constants
from runlake.wire.runs import RunEncoder

EncoderOf: TypeAlias = Callable[[Sequence[RunRecord], frozenset[RunSelect]], RunEncoder]
"""Looks up what is shown beside some runs, and blocks; the encoder is for those runs alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBodies:
    """What it takes beside the runs."""

    attachments: AttachmentLinks
    shares: Shares
    memberships: Memberships

    def of(self, request: AnyRequest, tenant_id: UUID) -> EncoderOf:
        """For the answer to one request."""
        return partial(self._encoder, str(request.base_url), tenant_id)

    def _encoder(
        self, base_url: str, tenant_id: UUID, runs: Sequence[RunRecord], select: frozenset[RunSelect]
    ) -> RunEncoder:
        return RunEncoder(
            tenant_id,
            select,
            partial(self.attachments.url, base_url, tenant_id),
            self.shares.shown_tokens(tenant_id, runs, select),
            self.memberships.shown(tenant_id, runs, select),
        )


def runs_answer(request: AnyRequest, body: bytes) -> Response[bytes]:
    """Runs as JSON."""
    return json_answer(constants_for(request)(body))


def constants_for(request: AnyRequest) -> Callable[[bytes], bytes]:
    """What is done to JSON for its reader: a payload's NaN goes back to Python as it came, others would refuse it."""
    is_python = "python" in (agent := request.headers.get("user-agent", "").lower()) or agent.startswith("langsmith-py")
    return _as_it_is if is_python else without_constants


def _as_it_is(body: bytes) -> bytes:
    return body
