"""Bodies recorded from the Python SDK: the same trace, whichever of its modes the client is in."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from runlake.ingest.costs import CostBook
from runlake.ingest.derive import DerivedRun, derive_run
from runlake.model.attachments import Attachment
from runlake.model.project import Feedback
from runlake.model.run import RunField, RunState, RunStatus, RunWrite, WriteKind, fold_writes
from runlake.wire.encoding import decode_body
from runlake.wire.feedback import Receipt, read_feedback
from runlake.wire.run_writes import read_multipart, read_run

CORPUS = Path(__file__).parents[2] / "corpus" / "wire"
ROOT = UUID("019b7cc5-5d08-7000-8000-000000000001")
MODEL = UUID("019b7cc5-5d08-7000-8000-000000000002")
RECEIPT = Receipt(tenant_id=UUID(int=7), now_us=99, new_id=lambda: UUID(int=5))


def _sent(mode: str) -> tuple[dict[UUID, list[RunWrite]], list[Feedback]]:
    writes: dict[UUID, list[RunWrite]] = defaultdict(list)
    feedback: list[Feedback] = []
    for path in sorted(CORPUS.glob(f"{mode}_*.body")):
        head = json.loads(path.with_suffix(".json").read_text())
        body = decode_body(path.read_bytes(), head.get("Content-Encoding"), limit_bytes=1 << 20)
        verb, _, place = head["request"].partition(" ")
        if place == "/runs/multipart":
            batch = read_multipart(body, head["Content-Type"], RECEIPT)
            assert not batch.refused
            feedback.extend(batch.feedback)
            found = batch.writes
        elif place == "/feedback":
            feedback.append(read_feedback(body, RECEIPT))
            found = ()
        else:
            kind = WriteKind.CREATE if verb == "POST" else WriteKind.PATCH
            path_id = UUID(place.rpartition("/")[2]) if verb == "PATCH" else None
            found = (read_run(body, kind, run_id=path_id),)
        for write in found:
            writes[write.run_id].append(write)
    return writes, feedback


def _replay(mode: str) -> tuple[dict[UUID, RunState], list[Feedback]]:
    writes, feedback = _sent(mode)
    without_files = {run_id: [replace(item, attachments=()) for item in items] for run_id, items in writes.items()}
    return {run_id: fold_writes(run_id, items) for run_id, items in without_files.items()}, feedback


MODES = ["sdk_multipart", "sdk_zstd", "sdk_single"]


@pytest.mark.parametrize("mode", MODES)
def test_payloads_and_files_arrive_byte_for_byte(mode: str) -> None:
    runs, _ = _replay(mode)
    expected = '{"question":"Wie heißt die Hauptstadt? 首都は 🗼","big":12345678901234567890,"ratio":0.1}'
    assert runs[ROOT].get(RunField.INPUTS) == expected.encode()
    sent, _ = _sent(mode)
    photo = Attachment("photo", "image/png", b"\x89PNG\r\n\x1a\n\x00\xff--\r\n\r\n")
    assert {file for write in sent[ROOT] for file in write.attachments} == {photo}
    assert runs[ROOT].get(RunField.ERROR) == "ValueError('no \"map\"')\n\nTraceback"


def _derived(mode: str) -> tuple[DerivedRun, DerivedRun]:
    runs, _ = _replay(mode)
    assert set(runs) == {ROOT, MODEL}
    assert all(state.complete for state in runs.values())
    prices = CostBook()
    return derive_run(runs[ROOT], now_us=0, prices=prices), derive_run(runs[MODEL], now_us=0, prices=prices)


@pytest.mark.parametrize("mode", MODES)
def test_the_root_run_is_an_error_with_its_thread_and_metadata(mode: str) -> None:
    root, _ = _derived(mode)
    assert (root.name, root.run_type, root.status, root.is_root) == ("agent", "chain", RunStatus.ERROR, True)
    assert (root.thread_id, root.tags, root.duration_us) == ("thread-1", ("production", "v2"), 1_000_000)
    assert {"plan.tier\0pro", "plan.seats\x003", "plan.seats\x004"} <= set(root.metadata_pairs)
    assert root.inputs_preview == "Wie heißt die Hauptstadt? 首都は 🗼"


@pytest.mark.parametrize("mode", MODES)
def test_the_model_call_has_its_place_tokens_and_costs(mode: str) -> None:
    root, model = _derived(mode)
    assert (model.trace_id, model.parent_run_id, model.is_root) == (ROOT, ROOT, False)
    assert model.dotted_order.startswith(root.dotted_order + ".")
    assert (model.prompt_tokens, model.completion_tokens, model.total_tokens) == (20, 4, 24)
    assert (model.model, model.provider) == ("gpt-4o", "openai")
    assert model.total_cost is not None
    assert model.total_cost > 0
    assert (model.inputs_preview, model.outputs_preview) == ("Capital of France?", "Paris.")
    assert model.first_token_time == model.start_time + 80_000


@pytest.mark.parametrize("mode", MODES)
def test_feedback_arrives(mode: str) -> None:
    _, (feedback,) = _replay(mode)
    assert (feedback.run_id, feedback.key, feedback.score, feedback.comment) == (ROOT, "correctness", 1.0, "naïve")
    assert feedback.value == b'"yes"'
