"""Addresses in answers: files of runs, shared traces, pages of a user interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from runlake.api.bodies import AnyRequest
from runlake.model.run_record import RunRecord
from runlake.store.shares import ShareStore
from runlake.wire.attachment_links import AttachmentLinks
from runlake.wire.v2_runs import Links
from runlake.wire.v2_selects import V2Select


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Links:
    """Makes the links of an answer; ``public_url`` is where clients reach this server, else what they asked."""

    attachments: AttachmentLinks
    shares: ShareStore
    public_url: str | None

    def root(self, request: AnyRequest) -> str:
        """The origin of links, without a slash at its end."""
        return (self.public_url or str(request.base_url)).rstrip("/")

    def of(
        self, request: AnyRequest, tenant_id: UUID, selects: frozenset[V2Select], runs: Sequence[RunRecord]
    ) -> Links:
        """The links of some runs; blocks where shares have to be looked up."""
        link = partial(self.attachments.url, str(request.base_url), tenant_id)
        shared: dict[str, str] = {}
        if V2Select.SHARE_URL in selects and runs:
            tokens = self.shares.tokens_of(tenant_id, sorted({UUID(run.trace_id) for run in runs}))
            shared = {str(trace): f"{self.root(request)}/public/{token}/r" for trace, token in tokens.items()}
        return Links(tenant_id=tenant_id, share_urls=shared, attachments=lambda run: _files(run, link))


def _files(run: RunRecord, link: partial[str]) -> dict[str, str] | None:
    return {file.name: link(run.id, file.name) for file in run.attachments} if run.attachments else None


def parameters_of(request: AnyRequest) -> Mapping[str, Sequence[str]]:
    """Parameters of the URL, each with all of its values."""
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        found.setdefault(name, []).append(value)
    return found
