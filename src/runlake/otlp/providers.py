"""Names of model providers: from the words of the conventions to those that LangSmith's metadata uses."""

from __future__ import annotations

from typing import Final

from runlake.otlp.rules import Json

_SAME: Final = {
    "aws": "amazon_bedrock",
    "aws.bedrock": "amazon_bedrock",
    "amazon-bedrock": "amazon_bedrock",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure-openai": "azure",
    "gcp.gemini": "google_genai",
    "gcp.gen_ai": "google_genai",
    "gemini": "google_genai",
    "google.generative-ai": "google_genai",
    "gcp.vertex_ai": "google_vertexai",
    "google.vertex": "google_vertexai",
    "vertex_ai": "google_vertexai",
    "vertexai": "google_vertexai",
    "mistral_ai": "mistralai",
    "mistral": "mistralai",
    "x_ai": "xai",
    "together_ai": "together",
    "hugging_face": "huggingface",
    "ibm.watsonx.ai": "ibm",
}
_NO_PROVIDERS: Final = frozenset({"langchain"})
"""What the Python SDK writes when it cannot tell the provider (seen in the SDK)."""

_API_SUFFIXES: Final = (".chat", ".responses", ".messages", ".completion", ".embedding", ".embeddings")
"""What the AI SDK puts behind the provider: the part of its API."""


def read_provider(value: Json) -> Json:
    """The provider as LangSmith spells it; a name that is not known stays as it is."""
    if not isinstance(value, str) or not value:
        return None
    name = value.lower()
    if name in _NO_PROVIDERS:
        return None
    for suffix in _API_SUFFIXES:
        name = name.removesuffix(suffix)
    return _SAME.get(name, name)
