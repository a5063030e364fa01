"""What single products write beside the conventions: Logfire and Pydantic AI, Langfuse, plain names."""

from __future__ import annotations

from typing import Final

from runlake.otlp.messages import input_messages
from runlake.otlp.rules import Rule, Table, Target
from runlake.otlp.values import payload_of, read_object, read_tags, read_text

OTHERS: Final[Table] = (
    Rule(attribute="pydantic_ai.all_messages", target=Target.INPUTS, rank=26, read=input_messages),
    Rule(attribute="all_messages_events", target=Target.INPUTS, rank=27, read=input_messages),
    Rule(attribute="final_result", target=Target.OUTPUTS, rank=70, read=payload_of("output")),
    Rule(attribute="tool_arguments", target=Target.INPUTS, rank=70, read=payload_of("input")),
    Rule(attribute="tool_response", target=Target.OUTPUTS, rank=70, read=payload_of("output")),
    Rule(attribute="prompt", target=Target.INPUTS, rank=75, read=payload_of("input")),
    Rule(attribute="model", target=Target.MODEL, rank=70, read=read_text, keep=True),
    Rule(attribute="conversation.id", target=Target.METADATA, key="conversation_id", rank=70),
    Rule(attribute="langfuse.session.id", target=Target.METADATA, key="session_id", rank=70),
    Rule(attribute="langfuse.user.id", target=Target.METADATA, key="user_id", rank=70),
    Rule(attribute="langfuse.trace.tags", target=Target.TAGS, rank=70, read=read_tags),
    Rule(attribute="langfuse.trace.metadata", target=Target.METADATA_OBJECT, rank=70, read=read_object),
    Rule(attribute="langfuse.observation.input", target=Target.INPUTS, rank=70, read=payload_of("input")),
    Rule(attribute="langfuse.observation.output", target=Target.OUTPUTS, rank=70, read=payload_of("output")),
)
