"""Datasets and evaluations with the SDK: examples in versions, ``evaluate`` in its forms, results, pytest."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from langsmith import Client, aevaluate, evaluate
from langsmith import schemas as ls_schemas
from langsmith.evaluation import evaluate_comparative, evaluate_existing
from langsmith.utils import LangSmithConflictError, LangSmithNotFoundError

from contract.scenarios.sdk import PROJECT, Facts, main

REFERENCE = "reference_outputs" if "reference_outputs" in ls_schemas.ExampleCreate.__annotations__ else "outputs"
"""What the running SDK calls the outputs of an example that is about to be created."""
HAS_PYTEST = find_spec("pytest") is not None
TESTS_OF_A_USER = """
import pytest
from langsmith import testing as t

@pytest.mark.langsmith
@pytest.mark.parametrize("q", [1, 2])
def test_doubling(q):
    t.log_inputs({"q": q})
    t.log_outputs({"a": q * 2})
    t.log_reference_outputs({"a": 2})
    t.log_feedback(key="half", score=0.5)
    assert q * 2 == 2
"""


@cache
def client() -> Client:
    return Client()


@cache
def dataset() -> ls_schemas.Dataset:
    return client().create_dataset(f"{PROJECT} questions", description="doubling", metadata={"team": "a"})


@cache
def created() -> Facts:
    examples = [
        {"inputs": {"q": q}, REFERENCE: {"a": q * 2}, "metadata": {"odd": q % 2 == 1}, "split": ["train"]}
        for q in range(4)
    ]
    examples.append(
        {"inputs": {"q": 9}, REFERENCE: {"a": 18}, "attachments": {"notes.txt": ("text/plain", b"read me")}}
    )
    return client().create_examples(dataset_id=dataset().id, examples=examples)


def question(example: ls_schemas.Example) -> Any:
    return (example.inputs or {})["q"]


def target(inputs: dict[str, Any]) -> dict[str, Any]:
    """Doubles, and gets one wrong."""
    return {"a": 0 if inputs["q"] == 3 else inputs["q"] * 2}


def correct(outputs: dict[str, Any], reference_outputs: dict[str, Any]) -> bool:
    return bool(outputs["a"] == reference_outputs["a"])


def pass_rate(outputs: list[dict[str, Any]], reference_outputs: list[dict[str, Any]]) -> dict[str, Any]:
    right = sum(one == other for one, other in zip(outputs, reference_outputs, strict=True))
    return {"key": "pass_rate", "score": right / len(outputs)}


JUDGES: list[Any] = [correct]
SUMMARIES: list[Any] = [pass_rate]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Evaluations print an address, and what a scenario prints is its result.

    They give feedback in threads that lose what is raised there, so no warning of theirs may become an error.
    """
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def experiment() -> str:
    """The name of the experiment that the following steps read."""
    with quiet():
        name = evaluate(
            target, data=dataset().name, evaluators=JUDGES, summary_evaluators=SUMMARIES, client=client()
        ).experiment_name
    client().flush()
    return name


@cache
def second_experiment() -> str:
    async def later(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"a": inputs["q"] * 2}

    with quiet():
        results = asyncio.run(aevaluate(later, data=dataset().name, evaluators=JUDGES, client=client()))
    name = results.experiment_name
    client().flush()
    return name


def dataset_methods() -> Facts:
    found = client().read_dataset(dataset_name=dataset().name)
    try:
        client().create_dataset(dataset().name)
        conflict = "none"
    except LangSmithConflictError:
        conflict = "conflict"
    try:
        client().read_dataset(dataset_name="no such dataset")
        missing = "none"
    except LangSmithNotFoundError:
        missing = "missing"
    return {
        "same": found.id == dataset().id == client().read_dataset(dataset_id=dataset().id).id,
        "has": [client().has_dataset(dataset_name=dataset().name), client().has_dataset(dataset_name="nope")],
        "metadata": (found.metadata or {}).get("team"),
        "conflict": conflict,
        "missing": missing,
        "by metadata": [item.name for item in client().list_datasets(metadata={"team": "a"})].count(dataset().name),
        "by name": [item.name == dataset().name for item in client().list_datasets(dataset_name_contains=PROJECT)],
    }


def examples_come_back() -> Facts:
    answer = created()
    listed = list(client().list_examples(dataset_id=dataset().id, include_attachments=True))
    by_question = {question(example): example for example in listed}
    notes = (by_question[9].attachments or {})["notes.txt"]
    return {
        "count": answer["count"],
        "questions": sorted(by_question),
        "answers": [by_question[q].outputs for q in sorted(by_question)],
        "metadata": [by_question[q].metadata for q in sorted(by_question)],
        "attachment": [notes["mime_type"], notes["reader"].read().decode()],
        "train": len(list(client().list_examples(dataset_id=dataset().id, splits=["train"]))),
        "odd": len(list(client().list_examples(dataset_id=dataset().id, metadata={"odd": True}))),
        "filter": len(list(client().list_examples(dataset_id=dataset().id, filter='not(exists(metadata, "odd"))'))),
        "page": [question(example) for example in client().list_examples(dataset_id=dataset().id, limit=2, offset=1)],
        "splits": client().list_dataset_splits(dataset_id=dataset().id),
        "dataset count": client().read_dataset(dataset_id=dataset().id).example_count,
    }


def an_experiment() -> Facts:
    name = experiment()
    project = client().read_project(project_name=name, include_stats=True)
    versions = [version.as_of.isoformat() for version in client().list_dataset_versions(dataset_id=dataset().id)]
    roots = list(client().list_runs(project_name=name, is_root=True))
    results = client().get_experiment_results(project_id=project.id)
    return {
        "of dataset": project.reference_dataset_id == dataset().id,
        "listed": [item.name for item in client().list_projects(reference_dataset_name=dataset().name)],
        "name": name,
        "runs": project.run_count,
        "correct": [(project.feedback_stats or {})["correct"][part] for part in ("n", "avg")],
        "pass rate": (project.session_feedback_stats or {})["pass_rate"]["avg"],
        "version": project.metadata["dataset_version"] in versions,
        "splits": sorted(project.metadata["dataset_splits"]),
        "references": len({run.reference_example_id for run in roots}),
        "of example": len(list(client().list_runs(reference_example_id=roots[0].reference_example_id))),
        "results": sorted(
            [
                question(row),
                (row.outputs or {})["a"],
                row.runs[0].outputs["a"],
                row.runs[0].feedback_stats["correct"]["avg"],
            ]
            for row in results["examples_with_runs"]
        ),
        "result stats": results["run_stats"]["run_count"],
    }


def an_asynchronous_experiment() -> Facts:
    project = client().read_project(project_name=second_experiment(), include_stats=True)
    return [project.run_count, (project.feedback_stats or {})["correct"]["avg"]]


def an_experiment_judged_again() -> Facts:
    def length(run: Any, example: Any) -> dict[str, Any]:
        return {"key": "length", "score": len(str(run.outputs["a"])) + question(example) * 0}

    name = experiment()
    with quiet():
        rows = list(evaluate_existing(name, evaluators=[length], client=client()))
    client().flush()
    project = client().read_project(project_name=experiment(), include_stats=True)
    return [len(rows), sorted(project.feedback_stats or {})]


def two_experiments_compared() -> Facts:
    def preferred(runs: Sequence[Any], example: Any) -> dict[str, Any]:
        del example
        return {"key": "preferred", "scores": {run.id: float(place) for place, run in enumerate(runs)}}

    names = (experiment(), second_experiment())
    with quiet():
        rows = list(evaluate_comparative(names, evaluators=[preferred], client=client(), randomize_order=False))
    return [len(rows), sorted({len(row["evaluation_results"]["feedback.preferred"].scores) for row in rows})]


def versions_and_tags() -> Facts:
    """A change, a deletion and a tag; what the experiment ran on stays as it was."""
    experiment()
    before = client().read_dataset_version(dataset_id=dataset().id, tag="latest").as_of
    listed = {question(example): example for example in client().list_examples(dataset_id=dataset().id)}
    client().update_dataset_tag(dataset_id=dataset().id, as_of=before, tag="first")
    client().update_example(listed[0].id, inputs={"q": 100}, metadata={"new": 1})
    client().delete_example(listed[1].id)
    added = client().create_example(
        **{"inputs": {"q": 7}, REFERENCE: {"a": 14}, "dataset_id": dataset().id, "split": "extra"}
    )
    client().update_dataset_splits(dataset_id=dataset().id, split_name="hard", example_ids=[listed[2].id, added.id])
    now = list(client().list_examples(dataset_id=dataset().id))
    then = list(client().list_examples(dataset_id=dataset().id, as_of="first"))
    diff = client().diff_dataset_versions(dataset_id=dataset().id, from_version="first", to_version="latest")
    old = client().read_example(listed[1].id, as_of=before)
    project = client().read_project(project_name=experiment())
    results = client().get_experiment_results(project_id=project.id)
    return {
        "now": sorted(question(example) for example in now),
        "then": sorted(question(example) for example in then),
        "diff": [len(diff.examples_added), len(diff.examples_modified), len(diff.examples_removed)],
        "old": old.inputs,
        "kept outputs": client().read_example(listed[0].id).outputs,
        "kept splits": client().read_example(listed[0].id).metadata,
        "hard": sorted(
            question(example) for example in client().list_examples(dataset_id=dataset().id, splits=["hard"])
        ),
        "results": sorted(question(row) for row in results["examples_with_runs"]),
        "tagged": [
            "first" in (version.tags or []) for version in client().list_dataset_versions(dataset_id=dataset().id)
        ],
    }


def attachments_change() -> Facts:
    example = client().create_example(
        inputs={"q": 1},
        dataset_id=client().create_dataset(f"{PROJECT} files").id,
        attachments={"one": ("text/plain", b"1"), "two": ("text/plain", b"2"), "three": ("text/plain", b"3")},
    )
    operations = ls_schemas.AttachmentsOperations(rename={"one": "uno"}, retain=["two"])
    client().update_example(example.id, attachments_operations=operations, attachments={"four": ("text/plain", b"4")})
    found = client().read_example(example.id).attachments or {}
    return {name: info["reader"].read().decode() for name, info in sorted(found.items())}


def shared_and_cloned() -> Facts:
    shared = client().share_dataset(dataset_id=dataset().id)
    token = str(shared["share_token"])
    read = client().read_shared_dataset(token)
    examples = list(client().list_shared_examples(token))
    copy = client().clone_public_dataset(token, dataset_name=f"{PROJECT} copy")
    copied = client().read_dataset(dataset_id=copy.id).example_count
    client().unshare_dataset(dataset().id)
    try:
        client().read_shared_dataset(token)
        after = "open"
    except LangSmithNotFoundError:
        after = "closed"
    return [read.name == dataset().name, len(examples) == copied, after]


def from_csv() -> Facts:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "questions.csv"
        path.write_text('q,a,note\n1,"two, or so",x\n"multi\nline",4,y\n')
        made = client().upload_csv(
            csv_file=str(path), input_keys=["q"], output_keys=["a"], name=f"{PROJECT} csv", description="from a file"
        )
    listed = list(client().list_examples(dataset_id=made.id))
    return sorted((question(example), (example.outputs or {})["a"]) for example in listed)


def frame_of_results() -> Facts:
    """Needs pandas, which the older environment has not."""
    if find_spec("pandas") is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = client().get_test_results(project_name=experiment())
    columns = ["input.q", "outputs.a", "reference.a", "feedback.correct"]
    return sorted(frame[columns].to_numpy().tolist())


def pytest_plugin() -> Facts:
    """A user's own tests, run by pytest with the SDK's plugin."""
    if not HAS_PYTEST:
        return None
    suite = f"{PROJECT} suite"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_user.py").write_text(TESTS_OF_A_USER)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
            env=os.environ | {"LANGSMITH_TEST_SUITE": suite, "LANGSMITH_TEST_TRACKING": "true"},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    found = client().read_dataset(dataset_name=suite)
    (project,) = client().list_projects(reference_dataset_id=found.id, include_stats=True)
    stats = project.feedback_stats or {}
    return {
        "exit": [done.returncode, "1 failed, 1 passed" in done.stdout],
        "examples": found.example_count,
        "runs": project.run_count,
        "pass": [stats["pass"][part] for part in ("n", "avg")],
        "half": stats["half"]["avg"],
    }


def deleted() -> Facts:
    doomed = client().create_dataset(f"{PROJECT} doomed")
    client().create_examples(dataset_id=doomed.id, examples=[{"inputs": {"q": 1}, REFERENCE: {"a": 1}}])
    client().delete_dataset(dataset_id=doomed.id)
    return client().has_dataset(dataset_id=doomed.id)


if __name__ == "__main__":
    main(
        [
            dataset_methods,
            examples_come_back,
            an_experiment,
            an_asynchronous_experiment,
            an_experiment_judged_again,
            two_experiments_compared,
            frame_of_results,
            versions_and_tags,
            attachments_change,
            shared_and_cloned,
            from_csv,
            pytest_plugin,
            deleted,
        ]
    )
