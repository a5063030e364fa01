"""The workload "agentmix": a seeded stream of canonical runs of customer-service agents.

``generate_runs`` yields runs trace by trace, oldest trace first, with memory that depends on the number of traces and
the size of one trace only. The ground truth is kept by ``bench.truth`` while the runs pass.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from bench.needles import Needle, NeedleKind, NeedlePlan, chaff
from bench.payloads import TOOLS, Brief, make_payload
from bench.shapes import Node, Score, TracePlan, Workload, grow_tree, plan_traces, scores
from bench.wording import ERRORS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MODELS: Final = (
    ("gpt-4o", "openai", 0.3),
    ("gpt-4o-mini", "openai", 0.25),
    ("claude-sonnet-4-5", "anthropic", 0.25),
    ("gemini-2.5-flash", "google", 0.15),
    ("mistral-large-latest", "mistral", 0.05),
)
_ERROR_SHARE: Final = 0.03
_HUGE_SHARE: Final = 0.0005
_MAX_BYTES: Final = 400_000
_SIGMA: Final = 1.4
_FILL: Final = 1.07  # what is made comes out a little smaller than asked for
_ROOT_NAMES: Final = ("support_agent", "refund_flow", "concierge", "order_desk", "triage")
_STEP_NAMES: Final = ("plan_step", "route", "summarize", "guardrail", "delegate")


class Lifecycle(Enum):
    """How a run reaches the server: finished at once, as start and end, end before start, or a start alone."""

    WHOLE = "whole"
    START_END = "start_end"
    END_START = "end_start"
    NEVER_ENDED = "never_ended"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a model call; costs in US dollars, or None where the server has to know the price."""

    prompt: int
    completion: int
    prompt_cost: float | None
    completion_cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One canonical run: what any server must hold once everything has arrived.

    Ids are UUID text, times microseconds since 1970 UTC, ``inputs``, ``outputs`` and ``metadata`` decoded JSON. A run
    that never ends has no end, no outputs and no error.
    """

    ordinal: int
    id: str
    trace: TracePlan
    trace_id: str
    parent_id: str | None
    dotted_order: str
    name: str
    run_type: str
    start_us: int
    end_us: int | None
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None
    error: str | None
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    model: str | None
    usage: Usage | None
    needles: tuple[Needle, ...]
    scores: tuple[Score, ...]
    lifecycle: Lifecycle

    @property
    def is_root(self) -> bool:
        return self.parent_id is None

    @property
    def duration_us(self) -> int | None:
        return None if self.end_us is None else self.end_us - self.start_us


def generate_runs(workload: Workload, plans: Iterable[TracePlan] | None = None) -> Iterator[Run]:
    """Every run of the workload; ``plans`` is what ``plan_traces`` returned, when the caller has it already."""
    needles = NeedlePlan(workload.runs, workload.seed)
    ordinal = 0
    for plan in plans if plans is not None else plan_traces(workload):
        for run in _TraceWriter(workload, plan, needles).runs(ordinal):
            yield run
            ordinal += 1


def iso_time(us: int) -> str:
    """ISO 8601 with offset, as the Python SDK sends times."""
    return (_EPOCH + timedelta(microseconds=us)).isoformat()


def run_key(seed: int, trace: int, node: int) -> int:
    """74 bits that are the same for the same run of the same seed."""
    digest = hashlib.blake2b(f"{seed}/{trace}/{node}".encode(), digest_size=10).digest()
    return int.from_bytes(digest, "big") & ((1 << 74) - 1)


def uuid7(start_us: int, bits: int) -> str:
    """Text of a UUIDv7 of the millisecond of ``start_us`` with 74 given bits."""
    number = (start_us // 1000) << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & ((1 << 62) - 1)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def order_segment(start_us: int, run_id: str) -> str:
    """One step of a dotted order: the start with microseconds, Z, the id."""
    return f"{_EPOCH + timedelta(microseconds=start_us):%Y%m%dT%H%M%S%f}Z{run_id}"


class _Place(NamedTuple):
    """Where a run stands: in the workload and in its trace."""

    ordinal: int
    run_id: str
    trace_id: str
    parent_id: str | None
    dotted_order: str


class _TraceWriter:
    """Makes the runs of one trace."""

    def __init__(self, workload: Workload, plan: TracePlan, needles: NeedlePlan) -> None:
        self._workload = workload
        self._plan = plan
        self._needles = needles
        self._random = Random(f"{workload.seed}:trace:{plan.index}")

    def runs(self, first_ordinal: int) -> Iterator[Run]:
        plan, seed = self._plan, self._workload.seed
        nodes = grow_tree(plan, self._random)
        ids: list[str] = []
        orders: list[str] = []
        for index, node in enumerate(nodes):
            start_us = plan.start_us + node.start_us
            run_id = uuid7(start_us, run_key(seed, plan.index, index))
            segment = order_segment(start_us, run_id)
            ids.append(run_id)
            orders.append(segment if index == 0 else f"{orders[node.parent]}.{segment}")
            parent_id = ids[node.parent] if index else None
            place = _Place(first_ordinal + index, run_id, ids[0], parent_id, orders[index])
            yield self._run(place, node)

    def _run(self, place: _Place, node: Node) -> Run:
        random, plan = self._random, self._plan
        model, provider = self._model(node)
        name = self._name(node, model)
        lifecycle = _lifecycle(random)
        ended = lifecycle is not Lifecycle.NEVER_ENDED
        error = ERRORS[int(random.random() * len(ERRORS))].fill(random) if random.random() < _ERROR_SHARE else None
        needles = self._needles.take(place.ordinal, node.run_type, random)
        has_outputs = ended and error is None
        brief = self._brief(needles, has_outputs=has_outputs, takes_decoy=node.run_type == "tool")
        payload = make_payload(random, node.run_type, model or name, brief)
        usage = self._usage(brief.size_bytes) if model and has_outputs else None
        outputs = payload.outputs if has_outputs else None
        if outputs is not None and usage is not None:
            outputs["usage_metadata"] = _usage_json(usage)
        return Run(
            ordinal=place.ordinal,
            id=place.run_id,
            trace=plan,
            trace_id=place.trace_id,
            parent_id=place.parent_id,
            dotted_order=place.dotted_order,
            name=name,
            run_type=node.run_type,
            start_us=plan.start_us + node.start_us,
            end_us=plan.start_us + node.end_us if ended else None,
            inputs=payload.inputs,
            outputs=outputs,
            error=error if ended else None,
            metadata=self._metadata(place.ordinal, model, provider),
            tags=(plan.env, plan.kind.value) if random.random() < 0.3 else (),
            model=model,
            usage=usage,
            needles=needles,
            scores=self._scores(place.parent_id),
            lifecycle=lifecycle,
        )

    def _model(self, node: Node) -> tuple[str | None, str]:
        if node.run_type != "llm":
            return None, ""
        model, provider, _ = self._random.choices(MODELS, [share for _, _, share in MODELS])[0]
        return model, provider

    def _name(self, node: Node, model: str | None) -> str:
        if node.parent < 0:
            return _ROOT_NAMES[self._plan.index % len(_ROOT_NAMES)]
        match node.run_type:
            case "llm":
                return "ChatAnthropic" if model and model.startswith("claude") else "ChatModel"
            case "tool":
                return TOOLS[int(self._random.random() * len(TOOLS))]
            case "retriever":
                return "policy_search"
            case _:
                return _STEP_NAMES[int(self._random.random() * len(_STEP_NAMES))]

    def _brief(self, needles: tuple[Needle, ...], *, has_outputs: bool, takes_decoy: bool) -> Brief:
        random = self._random
        size = min(_MAX_BYTES, int(random.lognormvariate(0, _SIGMA) * _FILL * self._workload.median_bytes))
        if random.random() < _HUGE_SHARE:
            size = 1_000_000 + int(random.random() * 1_000_000)
        notes = chaff(random)
        out: list[str] = []
        path_text = path_value = None
        for needle in needles:
            if needle.kind is NeedleKind.PATH_TEXT:
                path_text = needle.sentence
            elif needle.kind is NeedleKind.PATH_VALUE:
                path_value = needle.text
            elif has_outputs and random.random() < 0.4:
                out.append(needle.sentence)
            else:
                notes.append(needle.sentence)
        decoy = (
            f"It waits in depot-bay-{4170 + int(random.random() * 10)}, ask LOCKER-{7300 + int(random.random() * 10)}."
        )
        return Brief(
            size_bytes=size,
            input_notes=tuple(notes),
            output_notes=tuple(out),
            path_text=path_text,
            path_value=path_value,
            decoy=decoy if takes_decoy and random.random() < 0.01 else None,
        )

    def _usage(self, size_bytes: int) -> Usage:
        prompt = max(20, size_bytes // 5)
        completion = max(5, size_bytes // 24)
        if self._random.random() < 0.5:
            return Usage(prompt, completion, None, None)
        return Usage(prompt, completion, round(prompt * 2.5e-6, 9), round(completion * 1e-5, 9))

    def _metadata(self, ordinal: int, model: str | None, provider: str) -> dict[str, Any]:
        plan = self._plan
        metadata: dict[str, Any] = {
            "user_id": plan.user,
            "request_id": request_id(self._workload.seed, ordinal),
            "env": plan.env,
            "version": plan.version,
            "region": plan.region,
            "experiment": plan.experiment,
            "cfg": {"retry": {"max": plan.retries}},
            "labels": [plan.kind.value, plan.region],
            "thread_id": plan.thread,
        }
        if model is not None:
            metadata |= {"ls_model_name": model, "ls_provider": provider}
        return metadata

    def _scores(self, parent_id: str | None) -> tuple[Score, ...]:
        if parent_id is None:
            return self._plan.root_scores
        return scores(self._random) if self._random.random() < 0.02 else ()


def request_id(seed: int, ordinal: int) -> str:
    """The unique metadata value of run ``ordinal``."""
    return "req-" + hashlib.blake2b(f"{seed}:{ordinal}".encode(), digest_size=8).hexdigest()


def _lifecycle(random: Random) -> Lifecycle:
    draw = random.random()
    if draw < 0.001:
        return Lifecycle.NEVER_ENDED
    if draw < 0.011:
        return Lifecycle.END_START
    return Lifecycle.START_END if draw < 0.111 else Lifecycle.WHOLE


def _usage_json(usage: Usage) -> dict[str, Any]:
    out: dict[str, Any] = {
        "input_tokens": usage.prompt,
        "output_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
    if usage.prompt_cost is not None and usage.completion_cost is not None:
        out |= {
            "input_cost": usage.prompt_cost,
            "output_cost": usage.completion_cost,
            "total_cost": round(usage.prompt_cost + usage.completion_cost, 9),
        }
    return out


def payload_bytes(run: Run) -> int:
    """Bytes of inputs and outputs as compact JSON."""
    return len(msgspec.json.encode(run.inputs)) + (0 if run.outputs is None else len(msgspec.json.encode(run.outputs)))
