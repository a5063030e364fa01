"""Puts together what has to do with datasets, examples and experiments."""

from __future__ import annotations

from typing import Any, Final

from runlake.api.body_budget import BodyBudget
from runlake.api.dataset_files import DATASET_FILE_HANDLERS
from runlake.api.dataset_service import DatasetService
from runlake.api.datasets import DATASET_HANDLERS
from runlake.api.example_files import ExampleFiles
from runlake.api.example_service import ExampleService
from runlake.api.examples import EXAMPLE_HANDLERS
from runlake.api.experiments import EXPERIMENT_HANDLERS, ExperimentService
from runlake.api.v2_datasets import V2_DATASET_HANDLERS
from runlake.query.service import RunQueries
from runlake.store.comparison_ledger import ComparisonLedger
from runlake.store.dataset_ledger import DatasetLedger
from runlake.store.example_ledger import ExampleLedger
from runlake.wiring.foundation import Foundation
from runlake.wiring.objects import ObjectParts

ALL_DATASET_HANDLERS: Final[tuple[Any, ...]] = (
    *DATASET_HANDLERS,
    *V2_DATASET_HANDLERS,
    *EXAMPLE_HANDLERS,
    *EXPERIMENT_HANDLERS,
    *DATASET_FILE_HANDLERS,
)


def dataset_services(foundation: Foundation, runs: RunQueries, parts: ObjectParts) -> dict[str, object]:
    """What handlers ask for, by the name of their parameter."""
    settings, ledger = foundation.settings, foundation.ledger
    now_us, new_id = foundation.now_us, foundation.new_id
    store = ExampleLedger(ledger, now_us=now_us)
    files = ExampleFiles(parts.objects)
    datasets = DatasetService(store=DatasetLedger(ledger), files=files, now_us=now_us, new_id=new_id)
    examples = ExampleService(
        store=store,
        datasets=datasets,
        files=files,
        runs=runs,
        links=parts.example_links,
        bodies=BodyBudget(settings.max_pending_bytes),
        max_body_bytes=settings.max_decoded_body_bytes,
        now_us=now_us,
        new_id=new_id,
    )
    experiments = ExperimentService(
        runs=runs,
        examples=examples,
        datasets=datasets,
        comparisons=ComparisonLedger(ledger),
        projects=ledger,
        now_us=now_us,
        new_id=new_id,
    )
    return {
        "datasets": datasets,
        "examples": examples,
        "experiments": experiments,
    }
