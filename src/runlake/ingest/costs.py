"""What a model call cost. One ``CostBook`` per process, handed to ``ingest.derive``."""

from __future__ import annotations


class CostBook:
    """Prices by model, provider and time."""
