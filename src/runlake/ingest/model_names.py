"""Which model a run called, from wherever clients say it (seen in the SDK and in LangChain)."""

from __future__ import annotations

from typing import Final

from runlake.ingest.payloads import Json, member
from runlake.ingest.usage import MODEL_RUN_TYPES

_MODEL_PARAMS: Final = ("model", "model_name", "model_id", "modelId", "deployment_name", "azure_deployment")
_MODEL_OUTPUT_PATHS: Final = (
    ("llm_output", "model_name"),
    ("llm_output", "model"),
    ("generations", 0, 0, "message", "kwargs", "response_metadata", "model_name"),
    ("model",),
)


def model_of(outputs: Json, metadata: Json, invocation_params: Json, run_type: str) -> str:
    """As the client names it, else as the call was made, else (for model calls) as the answer says, else empty."""
    model = _string(member(metadata, "ls_model_name"))
    if model:
        return model
    for key in _MODEL_PARAMS:
        model = _string(member(invocation_params, key))
        if model:
            return model
    for path in _MODEL_OUTPUT_PATHS if run_type in MODEL_RUN_TYPES else ():
        model = _string(member(outputs, *path))
        if model:
            return model
    return ""


def _string(value: Json) -> str:
    return value if isinstance(value, str) else ""
