"""Results of experiments: examples of a dataset with the runs upon them, and comparisons of experiments.

An example is shown as it was in the version that the experiment ran on, so that results stay what they were when the
dataset goes on changing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from runlake.api.answers import Deleted, json_answer
from runlake.api.auth import Access
from runlake.api.bodies import AnyRequest, read_small_body
from runlake.api.dataset_service import DatasetService, read_moment
from runlake.api.example_service import ExampleService
from runlake.api.links import V2Links
from runlake.api.parameters import ListLimit, Offset, read_path_id
from runlake.api.run_bodies import RunBodies
from runlake.errors import InvalidError
from runlake.model.dataset import Example
from runlake.model.project import Project
from runlake.model.run_record import RunRecord, RunSelect
from runlake.query.service import RunQueries
from runlake.store.datasets import ComparisonStore
from runlake.store.projects import ProjectFilter, ProjectStore
from runlake.wire.datasets import ComparativeBody, ComparativeCreate, comparison_body, read_comparison
from runlake.wire.examples import ALL_FIELDS
from runlake.wire.experiments import (
    ResultAnswer,
    ResultsBody,
    ResultsBodyV2,
    ResultsPageV2,
    ResultsQuery,
    read_results_query,
    read_results_query_v2,
)
from runlake.wire.json_text import without_constants
from runlake.wire.projects import project_metadata
from runlake.wire.run_queries import DEFAULT_SELECT, RunQuerySpec
from runlake.wire.v2_projects import write_offset
from runlake.wire.v2_runs import RunEncoderV2
from runlake.wire.v2_selects import run_selects

_PAYLOADS: Final = frozenset({RunSelect.INPUTS, RunSelect.OUTPUTS})
_PREVIEWS: Final = frozenset({RunSelect.INPUTS_PREVIEW, RunSelect.OUTPUTS_PREVIEW})


@dataclass(frozen=True, slots=True)
class Result:
    """An example and the runs upon it."""

    example: Example
    runs: list[RunRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentService:
    """Over one store."""

    runs: RunQueries
    examples: ExampleService
    datasets: DatasetService
    comparisons: ComparisonStore
    projects: ProjectStore
    now_us: Callable[[], int]
    new_id: Callable[[], UUID]

    async def results(
        self, tenant_id: UUID, dataset_id: UUID, query: ResultsQuery, select: frozenset[RunSelect]
    ) -> tuple[list[Result], bool]:
        """One page in the order in which the first experiment ran, and whether there is more behind it."""
        experiments = await asyncio.to_thread(self._experiments, tenant_id, dataset_id, query)
        ordered = await self._ordered(tenant_id, dataset_id, query)
        end = query.offset + query.limit
        ids = ordered[query.offset : end]
        found = await asyncio.to_thread(self.examples.store.newest, tenant_id, ids, as_of=_version_of(experiments))
        by_example = await self._runs_of(tenant_id, query, ids, select)
        return [Result(found[identity], by_example.get(identity, [])) for identity in ids], len(ordered) > end

    def compare(self, tenant_id: UUID, body: bytes) -> ComparativeBody:
        """Keep a comparison; the dataset is that of the experiments where none is named."""
        comparison, names_dataset = read_comparison(body, tenant_id=tenant_id, now_us=self.now_us(), new_id=self.new_id)
        experiments = [self.projects.read_project(tenant_id, found) for found in comparison.experiment_ids]
        dataset_id = comparison.reference_dataset_id if names_dataset else experiments[0].reference_dataset_id
        if dataset_id is None or any(project.reference_dataset_id != dataset_id for project in experiments):
            raise InvalidError("experiment_ids must be experiments on one dataset", field="experiment_ids")
        comparison = replace(comparison, reference_dataset_id=dataset_id)
        self.comparisons.create(comparison)
        return comparison_body(comparison, experiments, {})

    def list_comparisons(self, tenant_id: UUID, dataset_id: UUID, *, offset: int, limit: int) -> list[ComparativeBody]:
        """Comparisons on a dataset, newest first."""
        found = self.comparisons.list(tenant_id, dataset_id, offset=offset, limit=limit)
        return [comparison_body(item, self._live(tenant_id, item.experiment_ids), {}) for item in found]

    def _live(self, tenant_id: UUID, ids: Sequence[UUID]) -> list[Project]:
        live = self.projects.list_projects(tenant_id, ProjectFilter(ids=tuple(ids)))
        found = {project.id: project for project in live}
        return [found[identity] for identity in ids if identity in found]

    def _experiments(self, tenant_id: UUID, dataset_id: UUID, query: ResultsQuery) -> list[Project]:
        self.datasets.store.read(tenant_id, dataset_id)
        if query.comparison is not None:
            self.comparisons.read(tenant_id, query.comparison)
        return [self.projects.read_project(tenant_id, found) for found in query.experiments]

    async def _ordered(self, tenant_id: UUID, dataset_id: UUID, query: ResultsQuery) -> list[UUID]:
        """The examples of the dataset that the experiments ran on and that meet every filter, in order."""
        select = {RunSelect.REFERENCE_EXAMPLE_ID}
        if query.feedback_key is not None:
            select.add(RunSelect.FEEDBACK_STATS)
        kept: dict[UUID, None] = {}
        allowed: set[UUID] | None = None
        for experiment in query.experiments:
            runs = await self.runs.all(
                _upon(query, experiment, query.example_ids, frozenset(select)), tenant_id=tenant_id
            )
            if query.feedback_key is not None:
                runs = _sorted(runs, query.feedback_key, descending=query.descending)
            ids = dict.fromkeys(UUID(run.reference_example_id) for run in runs if run.reference_example_id)
            kept |= {identity: None for identity in ids if identity not in kept}
            if experiment in query.filters:
                allowed = set(ids) if allowed is None else allowed & ids.keys()
        mine = await asyncio.to_thread(self.examples.store.datasets_of, tenant_id, list(kept))
        wanted = kept if allowed is None else [identity for identity in kept if identity in allowed]
        return [identity for identity in wanted if mine.get(identity) == dataset_id]

    async def _runs_of(
        self, tenant_id: UUID, query: ResultsQuery, ids: Sequence[UUID], select: frozenset[RunSelect]
    ) -> Mapping[UUID, list[RunRecord]]:
        found: dict[UUID, list[RunRecord]] = {}
        for experiment in query.experiments if ids else ():
            spec = _upon(query, experiment, tuple(ids), select | {RunSelect.REFERENCE_EXAMPLE_ID})
            for run in await self.runs.all(spec, tenant_id=tenant_id):
                found.setdefault(UUID(str(run.reference_example_id)), []).append(run)
        return found


def _upon(
    query: ResultsQuery, experiment: UUID, examples: tuple[UUID, ...] | None, select: frozenset[RunSelect]
) -> RunQuerySpec:
    """The roots of an experiment that meet its filters, in the order in which they ran."""
    texts = query.filters.get(experiment, ())
    return RunQuerySpec(
        sessions=(experiment,),
        reference_examples=examples,
        is_root=True,
        filter=f"and({', '.join(texts)})" if texts else None,
        ascending=True,
        select=select,
    )


def _sorted(runs: list[RunRecord], key: str, *, descending: bool) -> list[RunRecord]:
    """By the average of some feedback; runs without it come last."""

    def score(run: RunRecord) -> float | None:
        summary = (run.feedback or {}).get(key)
        return None if summary is None else summary.avg

    scored = [run for run in runs if score(run) is not None]
    scored.sort(key=lambda run: score(run) or 0.0, reverse=descending)
    return scored + [run for run in runs if score(run) is None]


def _version_of(experiments: Sequence[Project]) -> int | None:
    """The newest version that some of the experiments say they ran on."""
    named = [project_metadata(project).get("dataset_version") for project in experiments]
    moments = [read_moment(text) for text in named if isinstance(text, str)]
    return max((moment for moment in moments if moment is not None), default=None)


@post(
    "/datasets/{dataset_id:str}/runs",
    status_code=200,
    access=Access.READ,
    summary="Results of experiments",
    opt={"request_body": ResultsBody},
)
async def query_results(
    request: AnyRequest,
    *,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    experiments: NamedDependency[ExperimentService],
    run_bodies: NamedDependency[RunBodies],
) -> Response[bytes]:
    """Examples that the experiments ran on, each with its runs; fewer than `limit` on the last page."""
    query = read_results_query(await read_small_body(request))
    select = (DEFAULT_SELECT - _PAYLOADS) | _PREVIEWS if query.is_preview else DEFAULT_SELECT
    page, _ = await experiments.results(tenant_id, read_path_id(dataset_id, "dataset_id"), query, select)
    runs = [run for result in page for run in result.runs]
    encoder = await asyncio.to_thread(run_bodies.of(request, tenant_id), runs, select)
    return _json(await asyncio.to_thread(_bodies, experiments.examples, str(request.base_url), page, encoder.body))


@post(
    "/v2/datasets/{dataset_id:str}/experiment-runs",
    status_code=200,
    access=Access.READ,
    summary="Results of experiments (v2)",
    opt={"request_body": ResultsBodyV2},
)
async def query_results_v2(
    request: AnyRequest,
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    experiments: NamedDependency[ExperimentService],
    v2_links: NamedDependency[V2Links],
) -> Response[bytes]:
    """As v1, with the fields of runs that `selects` names and pages by cursor."""
    query, selects = read_results_query_v2(await read_small_body(request))
    found = read_path_id(dataset_id, "dataset_id")
    page, has_more = await experiments.results(tenant_id, found, query, run_selects(selects))
    runs = [run for result in page for run in result.runs]
    links = await asyncio.to_thread(v2_links.of, request, tenant_id, selects, runs)
    items = await asyncio.to_thread(
        _bodies, experiments.examples, str(request.base_url), page, RunEncoderV2(selects, links).body
    )
    return _json(ResultsPageV2(items, write_offset(query.offset + query.limit) if has_more else None))


@post(
    "/datasets/comparative",
    status_code=200,
    access=Access.EDIT,
    summary="Compare experiments",
    opt={"request_body": ComparativeCreate},
)
async def create_comparison(
    request: AnyRequest, tenant_id: NamedDependency[UUID], experiments: NamedDependency[ExperimentService]
) -> ComparativeBody:
    """Keeps which experiments are compared; feedback of the comparison names its id."""
    return await asyncio.to_thread(experiments.compare, tenant_id, await read_small_body(request))


@get("/datasets/{dataset_id:str}/comparative", access=Access.READ, summary="List comparisons of experiments")
async def list_comparisons(
    dataset_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    experiments: NamedDependency[ExperimentService],
    offset: Offset = 0,
    limit: ListLimit = 100,
) -> list[ComparativeBody]:
    """Those on a dataset, newest first."""
    found = read_path_id(dataset_id, "dataset_id")
    return await asyncio.to_thread(experiments.list_comparisons, tenant_id, found, offset=offset, limit=limit)


@delete(
    "/datasets/comparative/{comparative_experiment_id:str}",
    status_code=200,
    access=Access.EDIT,
    summary="Delete a comparison",
)
async def delete_comparison(
    comparative_experiment_id: FromPath[str],
    tenant_id: NamedDependency[UUID],
    experiments: NamedDependency[ExperimentService],
) -> Deleted:
    """The experiments stay."""
    found = read_path_id(comparative_experiment_id, "comparative_experiment_id")
    await asyncio.to_thread(experiments.comparisons.delete, tenant_id, found)
    return Deleted("deleted")


def _bodies(
    examples: ExampleService, base_url: str, page: Sequence[Result], encode: Callable[[RunRecord], Any]
) -> list[ResultAnswer]:
    bodies = examples.encode(base_url, [result.example for result in page], ALL_FIELDS)
    return [
        ResultAnswer(runs=[encode(run) for run in result.runs], **msgspec.structs.asdict(body))
        for result, body in zip(page, bodies, strict=True)
    ]


def _json(body: list[ResultAnswer] | ResultsPageV2) -> Response[bytes]:
    return json_answer(without_constants(msgspec.json.encode(body)))


EXPERIMENT_HANDLERS: Final[tuple[ControllerRouterHandler, ...]] = (
    query_results,
    query_results_v2,
    create_comparison,
    list_comparisons,
    delete_comparison,
)
