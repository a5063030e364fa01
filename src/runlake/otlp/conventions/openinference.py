"""OpenInference, as Arize's instrumentations write it (names from its own package of conventions)."""

from __future__ import annotations

from typing import Final

from runlake.otlp.messages import documents, indexed_inputs, indexed_outputs, items_of
from runlake.otlp.providers import read_provider
from runlake.otlp.rules import Rule, Table, Target
from runlake.otlp.values import payload_of, read_json, read_number, read_object, read_tags, read_text, word_in

_KINDS: Final = {
    "llm": "llm",
    "embedding": "embedding",
    "chain": "chain",
    "retriever": "retriever",
    "reranker": "retriever",
    "tool": "tool",
    "agent": "chain",
    "guardrail": "chain",
    "evaluator": "chain",
    "decision": "chain",
    "prompt": "prompt",
}


def _count(attribute: str, key: str) -> Rule:
    return Rule(attribute=f"llm.token_count.{attribute}", target=Target.USAGE, key=key, rank=40, read=read_number)


def _cost(attribute: str, key: str) -> Rule:
    return Rule(attribute=f"llm.cost.{attribute}", target=Target.USAGE, key=key, rank=40, read=read_number)


OPENINFERENCE: Final[Table] = (
    Rule(attribute="openinference.span.kind", target=Target.RUN_TYPE, rank=40, read=word_in(_KINDS), keep=True),
    Rule(attribute="openinference.project.name", target=Target.PROJECT_NAME, rank=40, read=read_text),
    Rule(attribute="llm.provider", target=Target.PROVIDER, rank=40, read=read_provider),
    Rule(attribute="llm.system", target=Target.PROVIDER, rank=41, read=read_provider),
    Rule(attribute="llm.model_name", target=Target.MODEL, rank=40, read=read_text),
    Rule(attribute="llm.request.model_name", target=Target.MODEL, rank=41, read=read_text),
    Rule(attribute="llm.response.model_name", target=Target.MODEL, rank=42, read=read_text),
    Rule(attribute="embedding.model_name", target=Target.MODEL, rank=43, read=read_text),
    Rule(attribute="reranker.model_name", target=Target.MODEL, rank=44, read=read_text),
    Rule(attribute="llm.invocation_parameters", target=Target.PARAMS, rank=40, read=read_object),
    Rule(attribute="embedding.invocation_parameters", target=Target.PARAMS, rank=41, read=read_object),
    Rule(attribute="llm.tools.", target=Target.PARAM, key="tools", rank=40, build=items_of("tool", "json_schema")),
    Rule(attribute="llm.input_messages.", target=Target.INPUTS, rank=21, build=indexed_inputs),
    Rule(attribute="llm.output_messages.", target=Target.OUTPUTS, rank=21, build=indexed_outputs),
    Rule(attribute="llm.prompts.", target=Target.INPUT_PART, key="prompts", rank=40, build=items_of("prompt", "text")),
    Rule(
        attribute="llm.choices.",
        target=Target.OUTPUT_PART,
        key="completions",
        rank=40,
        build=items_of("completion", "text"),
    ),
    Rule(attribute="input.value", target=Target.INPUTS, rank=30, read=payload_of("input")),
    Rule(attribute="output.value", target=Target.OUTPUTS, rank=30, read=payload_of("text")),
    Rule(attribute="retrieval.documents.", target=Target.OUTPUT_PART, key="documents", rank=40, build=documents),
    Rule(attribute="reranker.query", target=Target.INPUT_PART, key="query", rank=40, read=read_text),
    Rule(attribute="reranker.input_documents.", target=Target.INPUT_PART, key="documents", rank=41, build=documents),
    Rule(attribute="reranker.output_documents.", target=Target.OUTPUT_PART, key="documents", rank=41, build=documents),
    Rule(
        attribute="embedding.embeddings.",
        target=Target.INPUT_PART,
        key="texts",
        rank=40,
        build=items_of("embedding", "text"),
    ),
    Rule(
        attribute="embedding.embeddings.",
        target=Target.OUTPUT_PART,
        key="embeddings",
        rank=40,
        build=items_of("embedding", "vector"),
    ),
    Rule(
        attribute="llm.prompt_template.variables",
        target=Target.RUN_TYPE,
        rank=80,
        read=lambda value: "prompt" if value else None,
        keep=True,
    ),
    Rule(attribute="tool.name", target=Target.NAME, rank=40, read=read_text, keep=True),
    Rule(attribute="tool.parameters", target=Target.PARAM, key="tool_parameters", rank=40, read=read_json),
    Rule(attribute="metadata", target=Target.METADATA_OBJECT, rank=40, read=read_object),
    Rule(attribute="tag.tags", target=Target.TAGS, rank=40, read=read_tags),
    Rule(attribute="session.id", target=Target.METADATA, key="session_id", rank=40),
    Rule(attribute="user.id", target=Target.METADATA, key="user_id", rank=40),
    _count("prompt", "input_tokens"),
    _count("completion", "output_tokens"),
    _count("total", "total_tokens"),
    _count("prompt_details.cache_read", "input_token_details.cache_read"),
    _count("prompt_details.cache_write", "input_token_details.cache_creation"),
    _count("prompt_details.audio", "input_token_details.audio"),
    _count("completion_details.audio", "output_token_details.audio"),
    _count("completion_details.reasoning", "output_token_details.reasoning"),
    _cost("prompt", "input_cost"),
    _cost("completion", "output_cost"),
    _cost("total", "total_cost"),
    _cost("prompt_details.cache_read", "input_cost_details.cache_read"),
    _cost("prompt_details.cache_write", "input_cost_details.cache_creation"),
    _cost("prompt_details.audio", "input_cost_details.audio"),
    _cost("completion_details.audio", "output_cost_details.audio"),
    _cost("completion_details.reasoning", "output_cost_details.reasoning"),
)
