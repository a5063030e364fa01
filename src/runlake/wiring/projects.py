"""Puts together what has to do with projects."""

from __future__ import annotations

from runlake.api.projects import ProjectService
from runlake.query.project_stats import ProjectStatsReader
from runlake.query.request import QueryLimits
from runlake.wiring.deletions import StartedDeletions
from runlake.wiring.foundation import Foundation


def project_services(foundation: Foundation, deletions: StartedDeletions, limits: QueryLimits) -> dict[str, object]:
    """What handlers ask for, by the name of their parameter."""
    stats = ProjectStatsReader(engine=foundation.engine, moments=foundation.moments, limits=limits)
    return {
        "projects": ProjectService(
            store=foundation.ledger,
            deletions=deletions.deletions,
            stats=stats,
            now_us=foundation.now_us,
            new_id=foundation.new_id,
        )
    }
