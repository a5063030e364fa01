"""``langsmith.*``: what LangSmith's own exporters write (documented upstream, seen in the SDKs)."""

from __future__ import annotations

from typing import Final

from runlake.model.run import RunType
from runlake.otlp.rules import Rule, Table, Target
from runlake.otlp.values import read_json, read_list, read_object, read_tags, read_text, read_true, word_in

_OWN_TYPES: Final = {str(run_type): str(run_type) for run_type in RunType}

LANGSMITH: Final[Table] = (
    Rule(attribute="langsmith.trace.name", target=Target.NAME, rank=10, read=read_text),
    Rule(attribute="langsmith.span.kind", target=Target.RUN_TYPE, rank=10, read=word_in(_OWN_TYPES)),
    Rule(attribute="langsmith.span.id", target=Target.RUN_ID, read=read_text),
    Rule(attribute="langsmith.trace.id", target=Target.TRACE_ID, read=read_text),
    Rule(attribute="langsmith.span.parent_id", target=Target.PARENT_ID, read=read_text),
    Rule(attribute="langsmith.span.dotted_order", target=Target.DOTTED_ORDER, read=read_text),
    Rule(attribute="langsmith.is_root", target=Target.IS_ROOT, read=read_true),
    Rule(attribute="langsmith.trace.session_name", target=Target.PROJECT_NAME, rank=10, read=read_text),
    Rule(attribute="langsmith.trace.session_id", target=Target.PROJECT_ID, read=read_text),
    Rule(attribute="langsmith.reference_example_id", target=Target.EXAMPLE_ID, rank=10, read=read_text),
    Rule(attribute="langsmith.span.tags", target=Target.TAGS, rank=10, read=read_tags),
    Rule(attribute="langsmith.attachments", target=Target.ATTACHMENTS, read=read_list),
    Rule(attribute="langsmith.usage_metadata", target=Target.USAGE, rank=10, read=read_object),
    Rule(attribute="langsmith.metadata", target=Target.METADATA_OBJECT, read=read_object),
    Rule(attribute="langsmith.metadata.", target=Target.METADATA, rank=10, read=read_json),
    Rule(attribute="gen_ai.serialized.", target=Target.SERIALIZED),
)
