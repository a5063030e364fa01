"""``gen_ai.*``: OpenTelemetry's conventions for generative AI, current ones and those of 2024 and 2025.

Names are those of the semantic conventions' own registry; ``gen_ai.prompt`` and ``gen_ai.completion`` as whole texts
are what LangSmith's Python exporter writes (seen in the SDK).
"""

from __future__ import annotations

from typing import Final

from runlake.otlp.messages import (
    indexed_inputs,
    indexed_outputs,
    input_messages,
    output_messages,
    plain_documents,
    system_messages,
)
from runlake.otlp.providers import read_provider
from runlake.otlp.rules import Rule, Table, Target
from runlake.otlp.values import payload_of, read_json, read_list, read_number, read_text, word_in

_OPERATIONS: Final = {
    "chat": "llm",
    "completion": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "embedding": "embedding",
    "embeddings": "embedding",
    "execute_tool": "tool",
    "retrieval": "retriever",
    "create_agent": "chain",
    "invoke_agent": "chain",
    "invoke_workflow": "chain",
}


def _usage(attribute: str, key: str, rank: int = 30) -> Rule:
    return Rule(attribute=f"gen_ai.usage.{attribute}", target=Target.USAGE, key=key, rank=rank, read=read_number)


GEN_AI: Final[Table] = (
    Rule(attribute="gen_ai.operation.name", target=Target.RUN_TYPE, rank=20, read=word_in(_OPERATIONS), keep=True),
    Rule(attribute="gen_ai.provider.name", target=Target.PROVIDER, rank=20, read=read_provider),
    Rule(attribute="gen_ai.system", target=Target.PROVIDER, rank=21, read=read_provider),
    Rule(attribute="gen_ai.request.model", target=Target.MODEL, rank=20, read=read_text),
    Rule(attribute="gen_ai.request.model", target=Target.PARAM, key="model", rank=20, read=read_text),
    Rule(attribute="gen_ai.response.model", target=Target.MODEL, rank=21, read=read_text),
    Rule(attribute="gen_ai.request.stop_sequences", target=Target.PARAM, key="stop", rank=20),
    Rule(attribute="gen_ai.request.choice.count", target=Target.PARAM, key="n", rank=20),
    Rule(attribute="gen_ai.request.", target=Target.PARAM, rank=20, read=read_json),
    Rule(attribute="gen_ai.openai.request.", target=Target.PARAM, rank=21, read=read_json),
    Rule(attribute="openai.request.", target=Target.PARAM, rank=22, read=read_json),
    Rule(attribute="gen_ai.tool.definitions", target=Target.PARAM, key="tools", rank=20, read=read_list),
    Rule(attribute="gen_ai.conversation.id", target=Target.METADATA, key="conversation_id", rank=20),
    Rule(attribute="gen_ai.input.messages", target=Target.INPUTS, rank=20, read=input_messages),
    Rule(attribute="gen_ai.output.messages", target=Target.OUTPUTS, rank=20, read=output_messages),
    Rule(attribute="gen_ai.system_instructions", target=Target.SYSTEM, rank=20, read=system_messages),
    Rule(attribute="gen_ai.prompt.", target=Target.INPUTS, rank=22, build=indexed_inputs),
    Rule(attribute="gen_ai.completion.", target=Target.OUTPUTS, rank=22, build=indexed_outputs),
    Rule(attribute="gen_ai.tool.call.arguments", target=Target.INPUTS, rank=25, read=payload_of("input")),
    Rule(attribute="gen_ai.tool.call.result", target=Target.OUTPUTS, rank=25, read=payload_of("output")),
    Rule(attribute="gen_ai.retrieval.query.text", target=Target.INPUT_PART, key="query", rank=25, read=read_text),
    Rule(
        attribute="gen_ai.retrieval.documents",
        target=Target.OUTPUT_PART,
        key="documents",
        rank=25,
        read=plain_documents,
    ),
    Rule(attribute="gen_ai.prompt", target=Target.INPUTS, rank=50, read=payload_of("input")),
    Rule(attribute="gen_ai.completion", target=Target.OUTPUTS, rank=50, read=payload_of("text")),
    Rule(attribute="gen_ai.tool.name", target=Target.RUN_TYPE, rank=80, read=lambda value: "tool" if value else None),
    Rule(attribute="gen_ai.tool.name", target=Target.PARAM, key="tool_name", rank=20, read=read_text),
    _usage("input_tokens", "input_tokens"),
    _usage("prompt_tokens", "input_tokens", 31),
    _usage("output_tokens", "output_tokens"),
    _usage("completion_tokens", "output_tokens", 31),
    _usage("total_tokens", "total_tokens"),
    _usage("cache_read.input_tokens", "input_token_details.cache_read"),
    _usage("cache_read_input_tokens", "input_token_details.cache_read", 31),
    _usage("cache_creation.input_tokens", "input_token_details.cache_creation"),
    _usage("cache_write.input_tokens", "input_token_details.cache_creation", 31),
    _usage("cache_creation_input_tokens", "input_token_details.cache_creation", 32),
    _usage("audio.input_tokens", "input_token_details.audio"),
    _usage("audio.output_tokens", "output_token_details.audio"),
    _usage("image.input_tokens", "input_token_details.image"),
    _usage("image.output_tokens", "output_token_details.image"),
    _usage("reasoning.output_tokens", "output_token_details.reasoning"),
    _usage("reasoning_tokens", "output_token_details.reasoning", 31),
    _usage("details.reasoning_tokens", "output_token_details.reasoning", 32),
    _usage("details.cache_read_tokens", "input_token_details.cache_read", 33),
    _usage("details.cache_write_tokens", "input_token_details.cache_creation", 33),
    _usage("cost", "total_cost"),
    Rule(attribute="gen_ai.cost.input_cost", target=Target.USAGE, key="input_cost", rank=30, read=read_number),
    Rule(attribute="gen_ai.cost.output_cost", target=Target.USAGE, key="output_cost", rank=30, read=read_number),
    Rule(attribute="gen_ai.cost.total_cost", target=Target.USAGE, key="total_cost", rank=31, read=read_number),
    Rule(
        attribute="gen_ai.response.time_to_first_chunk",
        target=Target.FIRST_TOKEN_S,
        rank=20,
        read=read_number,
        keep=True,
    ),
    Rule(
        attribute="gen_ai.response.time_to_first_token",
        target=Target.FIRST_TOKEN_S,
        rank=21,
        read=read_number,
        keep=True,
    ),
)
