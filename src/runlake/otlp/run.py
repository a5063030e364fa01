"""One span becomes one ``RunWrite``, a create: the same object that a run sent by an SDK becomes."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from runlake.errors import InvalidError, UserError
from runlake.model.attachments import Attachment
from runlake.model.run import FieldValue, RunField, RunType, RunWrite, WriteKind
from runlake.otlp.attributes import Sorted
from runlake.otlp.events import NANOSECONDS_PER_US, ReadEvents, read_events
from runlake.otlp.ids import SPAN_ID_BYTES, TRACE_ID_BYTES, check_length, named_id, run_id_of, starts_trace
from runlake.otlp.messages import answer_of
from runlake.otlp.rules import Json, Target
from runlake.otlp.spans import Span
from runlake.wire.run_body import RunBody, build_write
from runlake.wire.scalars import read_id
from runlake.wire.times import EARLIEST_US, LATEST_US

SDK_SCOPE: Final = "langsmith"
"""Instrumentation scope of the spans that the Python SDK itself writes (seen in the SDK)."""

TOKEN_TYPES: Final = frozenset({"llm", "embedding"})
"""Runs whose tokens count. Spans around a model call repeat its sums; counted, every token would be there twice."""

_KINDS: Final = {2: "server", 3: "client", 4: "producer", 5: "consumer"}
_ENCODER: Final = msgspec.json.Encoder()


def run_of(span: Span, project: str | None) -> RunWrite:
    """The write of a span; ``project`` is the request's choice, which wins over the span's own.

    Raises a ``UserError`` when the span cannot be a run: bad ids, times out of range, ids that contradict each other.
    """
    check_length(span.trace_id, TRACE_ID_BYTES, "traceId")
    check_length(span.span_id, SPAN_ID_BYTES, "spanId")
    if span.parent_span_id and any(span.parent_span_id):
        check_length(span.parent_span_id, SPAN_ID_BYTES, "parentSpanId")
    found = Sorted()
    found.add(span.attributes)
    events = read_events(span, found)
    run_type = str(found.first(Target.RUN_TYPE) or _guessed_type(found))
    run_id = named_id(found.first(Target.RUN_ID), "langsmith.span.id") or run_id_of(span.span_id)
    body = _body(span, found, events, run_type)
    body.parent_run_id = _parent_of(span, found, run_id)
    body.session_id, body.session_name = _project_of(span, found, project)
    fields = _times(span)
    fields |= {name: _ENCODER.encode(payload) for name, payload in _payloads(span, found, events, run_type) if payload}
    return build_write(WriteKind.CREATE, run_id, fields, body, _attachments(found.first(Target.ATTACHMENTS)))


def _body(span: Span, found: Sorted, events: ReadEvents, run_type: str) -> RunBody:
    return RunBody(
        name=found.first(Target.NAME) or span.name or "unnamed",
        run_type=run_type,
        dotted_order=found.first(Target.DOTTED_ORDER),
        tags=found.first(Target.TAGS),
        error=events.error,
        reference_example_id=found.first(Target.EXAMPLE_ID),
    )


def _guessed_type(found: Sorted) -> RunType:
    """The type where no attribute names it: what has documents retrieves, what has a model and tokens is a call."""
    if "documents" in found.parts(Target.OUTPUT_PART):
        return RunType.RETRIEVER
    if found.first(Target.MODEL) and found.parts(Target.USAGE):
        return RunType.LLM
    return RunType.CHAIN


def _times(span: Span) -> dict[RunField, FieldValue]:
    times: dict[RunField, FieldValue] = {}
    for name, time_ns in ((RunField.START_TIME, span.start_ns), (RunField.END_TIME, span.end_ns)):
        time_us = time_ns // NANOSECONDS_PER_US
        if not EARLIEST_US <= time_us <= LATEST_US:
            raise InvalidError(f"{name} {time_ns} ns is out of range; accepted are the years up to 2299", field=name)
        if time_ns:
            times[name] = time_us
    return times


def _parent_of(span: Span, found: Sorted, run_id: UUID) -> UUID | None:
    """The parent: what LangSmith's attributes say, else the parent span's run; None for a root."""
    named = named_id(found.first(Target.PARENT_ID), "langsmith.span.parent_id")
    if named is not None or found.first(Target.IS_ROOT) or found.first(Target.DOTTED_ORDER):
        return named
    if not any(span.parent_span_id):
        return _attached_to(span, found, run_id)
    if starts_trace(span.trace_id, span.parent_span_id):
        # Of the SDK's own spans the first; of others one inside a run that the SDK sends by itself, under that id.
        return None if span.origin.scope_name == SDK_SCOPE else UUID(bytes=span.trace_id)
    return run_id_of(span.parent_span_id)


def _attached_to(span: Span, found: Sorted, run_id: UUID) -> UUID | None:
    """A root that names another trace is put below that trace's root (documented upstream)."""
    trace_id = named_id(found.first(Target.TRACE_ID), "langsmith.trace.id")
    return None if trace_id in {run_id, run_id_of(span.span_id), UUID(bytes=span.trace_id)} else trace_id


def _project_of(span: Span, found: Sorted, project: str | None) -> tuple[UUID | None, str | None]:
    if project:
        return None, project
    shared = Sorted()
    shared.add(span.origin.resource)
    for said in (found, shared):
        try:
            project_id = read_id(said.first(Target.PROJECT_ID), "langsmith.trace.session_id")
        except UserError:
            project_id = None  # a thread's id in the wrong place; it stays in the metadata
        name = said.first(Target.PROJECT_NAME)
        if project_id is not None or name:
            return project_id, name
    return None, None


def _payloads(span: Span, found: Sorted, events: ReadEvents, run_type: str) -> Iterator[tuple[RunField, Json]]:
    yield RunField.INPUTS, _inputs(found)
    yield RunField.OUTPUTS, _outputs(found)
    yield RunField.EVENTS, events.kept
    yield RunField.SERIALIZED, found.parts(Target.SERIALIZED)
    params = dict(found.first(Target.PARAMS) or {}) | found.parts(Target.PARAM)
    metadata = _metadata(span, found, run_type)
    yield RunField.EXTRA, {"metadata": metadata, "invocation_params": params} if params else {"metadata": metadata}


def _inputs(found: Sorted) -> Json:
    inputs, parts = found.first(Target.INPUTS), found.parts(Target.INPUT_PART)
    if found.parts(Target.OUTPUT_PART).get("documents") and isinstance(inputs, dict) and list(inputs) == ["input"]:
        inputs = {"query": inputs["input"]}
    system = found.first(Target.SYSTEM)
    if system:
        messages = inputs.get("messages") if isinstance(inputs, dict) else None
        inputs = {**(inputs or {}), "messages": [*system, *(messages if isinstance(messages, list) else ())]}
    return {**parts, **inputs} if isinstance(inputs, dict) else parts


def _outputs(found: Sorted) -> Json:
    outputs, parts = found.first(Target.OUTPUTS), found.parts(Target.OUTPUT_PART)
    answered = {name: parts.pop(name, None) for name in ("text", "toolCalls", "reasoning")}
    if any(answered.values()):
        answer = answer_of(answered["text"], answered["toolCalls"], answered["reasoning"])
        outputs = {**answer, **(outputs or {})}
    return {**parts, **outputs} if isinstance(outputs, dict) else parts


def _metadata(span: Span, found: Sorted, run_type: str) -> dict[str, Json]:
    """Everything that has no other place, resource first, so that a span's own words win."""
    origin = span.origin
    metadata: dict[str, Json] = dict(origin.resource)
    metadata |= {f"otel.scope.{name}": value for name, value in origin.scope.items()}
    metadata |= {"otel.scope.name": origin.scope_name} if origin.scope_name else {}
    metadata |= {"otel.scope.version": origin.scope_version} if origin.scope_version else {}
    metadata |= found.metadata()
    metadata |= found.first(Target.METADATA_OBJECT) or {}
    metadata |= found.parts(Target.METADATA)
    metadata |= _model_words(found) | _usage(found, run_type) | _identity(span)
    unread = found.first(Target.PROJECT_ID), found.first(Target.TRACE_ID)
    names = ("langsmith.trace.session_id", "langsmith.trace.id")
    return metadata | {name: value for name, value in zip(names, unread, strict=True) if value is not None}


def _model_words(found: Sorted) -> dict[str, Json]:
    words = {"ls_model_name": found.first(Target.MODEL), "ls_provider": found.first(Target.PROVIDER)}
    said = found.parts(Target.METADATA)
    return {name: value for name, value in words.items() if value is not None and name not in said}


def _usage(found: Sorted, run_type: str) -> dict[str, Json]:
    """``usage_metadata`` for a model call; for other runs the attributes as they were sent."""
    if run_type not in TOKEN_TYPES:
        return {offer.attribute: offer.value for offer in found.offers(Target.USAGE)}
    usage: dict[str, Any] = {}
    for path, value in found.parts(Target.USAGE).items():
        name, _, detail = path.partition(".")
        if detail:
            usage.setdefault(name, {})[detail] = value
        else:
            usage[name] = value
    usage |= found.first(Target.USAGE) or {}
    return {"usage_metadata": usage} if usage else {}


def _identity(span: Span) -> dict[str, Json]:
    """What OpenTelemetry calls this span, and what it says beyond attributes."""
    said: dict[str, Json] = {"OTEL_TRACE_ID": span.trace_id.hex(), "OTEL_SPAN_ID": span.span_id.hex()}
    if span.kind in _KINDS:
        said["otel.span.kind"] = _KINDS[span.kind]
    if span.trace_state:
        said["otel.trace_state"] = span.trace_state
    if span.links:
        said["otel.links"] = [
            {"trace_id": link.trace_id, "span_id": link.span_id, **dict(link.attributes)} for link in span.links
        ]
    return said | {f"otel.dropped_{name}_count": count for name, count in span.dropped.items()}


def _attachments(items: Json) -> Iterator[Attachment]:
    """``[{name, content (base64), mime_type}]`` (documented upstream)."""
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            raise InvalidError(
                "langsmith.attachments holds something else than {name, content, mime_type}",
                field="langsmith.attachments",
            )
        try:
            data = b64decode(item.get("content") or "", validate=True)
        except (ValueError, TypeError):
            problem = f"the attachment {item['name'][:100]!r} is not base64"
            raise InvalidError(problem, field="langsmith.attachments") from None
        yield Attachment(item["name"], str(item.get("mime_type") or "application/octet-stream"), data)
