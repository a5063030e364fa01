"""Which route serves which path of a real client."""

from __future__ import annotations

import pytest

from runlake.api.prefixes import canonical_path

PATHS = {
    # the Python and JS SDKs with a bare endpoint, one that ends in /api, one that ends in /api/v1
    "/runs/multipart": "/runs/multipart",
    "/api/runs/multipart": "/runs/multipart",
    "/api/v1/runs/multipart": "/runs/multipart",
    "/info": "/info",
    "/api/info": "/info",
    "/api/v1/info": "/info",
    # platform calls
    "/v1/platform/datasets/1/examples": "/platform/datasets/1/examples",
    "/api/v1/platform/datasets/1/examples": "/platform/datasets/1/examples",
    "/platform/datasets": "/platform/datasets",
    # generated clients
    "/api/v2/runs/query": "/v2/runs/query",
    "/v2/sql/query": "/v2/sql/query",
    # OTLP, hosted and self-hosted spelling, and what a stock exporter appends
    "/otel/v1/traces": "/otel/v1/traces",
    "/api/otel/v1/traces": "/otel/v1/traces",
    "/api/v1/otel/v1/traces": "/otel/v1/traces",
    "/v1/traces": "/otel/v1/traces",
    # one trailing slash
    "/sessions/": "/sessions",
    "/api/v1/sessions/": "/sessions",
    "/": "/",
    "/api/v1": "/",
    "/api/v1/": "/",
    "/api": "/",
    # only whole segments are prefixes
    "/apiary": "/apiary",
    "/api/v1x/runs": "/v1x/runs",
    "/api/v10/runs": "/v10/runs",
    "/v1/tracesque": "/v1/tracesque",
    # a prefix counts once
    "/api/api/v1/runs": "/api/v1/runs",
}


@pytest.mark.parametrize(("sent", "route"), PATHS.items())
def test_path_leads_to_route(sent: str, route: str) -> None:
    assert canonical_path(sent) == route


def test_canonical_routes_lead_to_themselves() -> None:
    canonical = {path for path in PATHS.values() if not path.startswith("/api")}
    assert {canonical_path(path) for path in canonical} == canonical
