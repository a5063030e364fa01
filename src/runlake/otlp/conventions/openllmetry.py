"""OpenLLMetry, Traceloop's instrumentations: ``traceloop.*``, and the older ``llm.*`` names beside ``gen_ai.*``."""

from __future__ import annotations

from typing import Final

from runlake.otlp.messages import items_of
from runlake.otlp.rules import Rule, Table, Target
from runlake.otlp.values import payload_of, read_json, read_number, read_text, word_in

_KINDS: Final = {
    "workflow": "chain",
    "task": "chain",
    "agent": "chain",
    "chain": "chain",
    "tool": "tool",
    "llm": "llm",
    "retriever": "retriever",
    "embedding": "embedding",
}
_REQUESTS: Final = {
    "chat": "llm",
    "completion": "llm",
    "embedding": "embedding",
    "rerank": "retriever",
}

OPENLLMETRY: Final[Table] = (
    Rule(attribute="llm.request.type", target=Target.RUN_TYPE, rank=30, read=word_in(_REQUESTS), keep=True),
    Rule(attribute="traceloop.span.kind", target=Target.RUN_TYPE, rank=50, read=word_in(_KINDS), keep=True),
    Rule(attribute="traceloop.entity.name", target=Target.NAME, rank=30, read=read_text),
    Rule(attribute="traceloop.entity.input", target=Target.INPUTS, rank=40, read=payload_of("input")),
    Rule(attribute="traceloop.entity.output", target=Target.OUTPUTS, rank=40, read=payload_of("output")),
    Rule(attribute="traceloop.association.properties.", target=Target.METADATA, rank=50),
    Rule(attribute="llm.request.functions", target=Target.PARAM, key="functions", rank=50, read=read_json),
    Rule(
        attribute="llm.request.functions.",
        target=Target.PARAM,
        key="functions",
        rank=51,
        build=items_of(),
    ),
    Rule(attribute="llm.frequency_penalty", target=Target.PARAM, key="frequency_penalty", rank=50),
    Rule(attribute="llm.presence_penalty", target=Target.PARAM, key="presence_penalty", rank=50),
    Rule(attribute="llm.top_k", target=Target.PARAM, key="top_k", rank=50),
    Rule(attribute="llm.chat.stop_sequences", target=Target.PARAM, key="stop", rank=50),
    Rule(attribute="llm.is_streaming", target=Target.PARAM, key="stream", rank=50),
    Rule(attribute="gen_ai.is_streaming", target=Target.PARAM, key="stream", rank=51),
    Rule(attribute="llm.user", target=Target.METADATA, key="user_id", rank=50),
    Rule(attribute="gen_ai.user", target=Target.METADATA, key="user_id", rank=51),
    Rule(attribute="llm.usage.total_tokens", target=Target.USAGE, key="total_tokens", rank=50, read=read_number),
    Rule(
        attribute="llm.usage.reasoning_tokens",
        target=Target.USAGE,
        key="output_token_details.reasoning",
        rank=50,
        read=read_number,
    ),
    Rule(attribute="gen_ai.task.input", target=Target.INPUTS, rank=45, read=payload_of("input")),
    Rule(attribute="gen_ai.task.output", target=Target.OUTPUTS, rank=45, read=payload_of("output")),
)
