"""``ai.*``: telemetry of the Vercel AI SDK, versions 3.3 to 6; version 7 writes ``gen_ai.*`` (documented upstream)."""

from __future__ import annotations

from typing import Final

from runlake.otlp.messages import ai_messages
from runlake.otlp.providers import read_provider
from runlake.otlp.rules import Rule, Table, Target
from runlake.otlp.values import payload_of, read_json, read_list, read_number, read_text, word_in

_OPERATIONS: Final = {
    "ai.generatetext": "chain",
    "ai.generatetext.dogenerate": "llm",
    "ai.streamtext": "chain",
    "ai.streamtext.dostream": "llm",
    "ai.generateobject": "chain",
    "ai.generateobject.dogenerate": "llm",
    "ai.streamobject": "chain",
    "ai.streamobject.dostream": "llm",
    "ai.toolcall": "tool",
    "ai.embed": "chain",
    "ai.embed.doembed": "embedding",
    "ai.embedmany": "chain",
    "ai.embedmany.doembed": "embedding",
    "ai.rerank": "chain",
    "ai.rerank.dorerank": "retriever",
}


def _usage(attribute: str, key: str, rank: int = 60) -> Rule:
    return Rule(attribute=f"ai.usage.{attribute}", target=Target.USAGE, key=key, rank=rank, read=read_number)


VERCEL: Final[Table] = (
    Rule(attribute="ai.operationId", target=Target.RUN_TYPE, rank=15, read=word_in(_OPERATIONS), keep=True),
    Rule(attribute="ai.model.provider", target=Target.PROVIDER, rank=60, read=read_provider),
    Rule(attribute="ai.model.id", target=Target.MODEL, rank=60, read=read_text),
    Rule(attribute="ai.settings.", target=Target.PARAM, rank=60, read=read_json),
    Rule(attribute="ai.prompt.tools", target=Target.PARAM, key="tools", rank=60, read=read_list),
    Rule(attribute="ai.prompt.toolChoice", target=Target.PARAM, key="tool_choice", rank=60, read=read_json),
    Rule(attribute="ai.prompt.messages", target=Target.INPUTS, rank=24, read=ai_messages),
    Rule(attribute="ai.prompt", target=Target.INPUTS, rank=60, read=payload_of("input")),
    Rule(attribute="ai.response.text", target=Target.OUTPUT_PART, key="text", rank=60, read=read_text),
    Rule(attribute="ai.response.reasoning", target=Target.OUTPUT_PART, key="reasoning", rank=60, read=read_text),
    Rule(attribute="ai.response.toolCalls", target=Target.OUTPUT_PART, key="toolCalls", rank=60, read=read_list),
    Rule(attribute="ai.result.text", target=Target.OUTPUT_PART, key="text", rank=61, read=read_text),
    Rule(attribute="ai.result.toolCalls", target=Target.OUTPUT_PART, key="toolCalls", rank=61, read=read_list),
    Rule(attribute="ai.response.object", target=Target.OUTPUTS, rank=60, read=payload_of("output")),
    Rule(attribute="ai.result.object", target=Target.OUTPUTS, rank=61, read=payload_of("output")),
    Rule(attribute="ai.toolCall.name", target=Target.NAME, rank=60, read=read_text),
    Rule(attribute="ai.toolCall.args", target=Target.INPUTS, rank=61, read=payload_of("input")),
    Rule(attribute="ai.toolCall.result", target=Target.OUTPUTS, rank=61, read=payload_of("output")),
    Rule(attribute="ai.value", target=Target.INPUTS, rank=62, read=payload_of("input")),
    Rule(attribute="ai.values", target=Target.INPUT_PART, key="texts", rank=62, read=read_list),
    Rule(attribute="ai.embedding", target=Target.OUTPUTS, rank=62, read=payload_of("embedding")),
    Rule(attribute="ai.embeddings", target=Target.OUTPUT_PART, key="embeddings", rank=62, read=read_list),
    Rule(attribute="ai.telemetry.metadata.sessionId", target=Target.METADATA, key="session_id", rank=60),
    Rule(attribute="ai.telemetry.metadata.threadId", target=Target.METADATA, key="thread_id", rank=60),
    Rule(attribute="ai.telemetry.metadata.userId", target=Target.METADATA, key="user_id", rank=60),
    Rule(attribute="ai.telemetry.metadata.", target=Target.METADATA, rank=61),
    _usage("inputTokens", "input_tokens"),
    _usage("promptTokens", "input_tokens", 61),
    _usage("tokens", "input_tokens", 62),
    _usage("outputTokens", "output_tokens"),
    _usage("completionTokens", "output_tokens", 61),
    _usage("totalTokens", "total_tokens"),
    _usage("cachedInputTokens", "input_token_details.cache_read"),
    _usage("reasoningTokens", "output_token_details.reasoning"),
    Rule(attribute="ai.response.msToFirstChunk", target=Target.FIRST_TOKEN_MS, rank=60, read=read_number, keep=True),
)
