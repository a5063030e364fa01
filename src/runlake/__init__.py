"""Runlake: a self-hosted store for LLM and agent traces that speaks the LangSmith API."""

__version__ = "0.1.0"
