"""Puts together what has to do with feedback: judgements, links that take them, what their scores mean."""

from __future__ import annotations

from typing import Any, Final

from runlake.api.feedback import FEEDBACK_HANDLERS
from runlake.api.feedback_configs import FEEDBACK_CONFIG_HANDLERS
from runlake.api.feedback_tokens import FEEDBACK_TOKEN_HANDLERS
from runlake.ingest.feedback_configs import FeedbackConfigs, LearningWriter
from runlake.ingest.feedback_lookup import FeedbackLookup
from runlake.ingest.feedback_service import FeedbackService
from runlake.ingest.feedback_tokens import FeedbackTokens
from runlake.ingest.writer import Writer
from runlake.query.feedback_runs import judged_runs
from runlake.store.feedback import FeedbackReader
from runlake.store.feedback_ledger import ConfigLedger, TokenLedger
from runlake.wiring.foundation import Foundation

ALL_FEEDBACK_HANDLERS: Final[tuple[Any, ...]] = (
    *FEEDBACK_HANDLERS,
    *FEEDBACK_TOKEN_HANDLERS,
    *FEEDBACK_CONFIG_HANDLERS,
)


class FeedbackParts:
    """The feedback of one server; ``writer`` is where requests send what holds feedback."""

    def __init__(self, foundation: Foundation, writer: Writer) -> None:
        ledger, now_us, new_id = foundation.ledger, foundation.now_us, foundation.new_id
        configs = FeedbackConfigs(ConfigLedger(ledger), now_us=now_us, new_id=new_id)
        self.writer = LearningWriter(writer, configs)
        reader = FeedbackReader(foundation.engine, judged_runs(foundation.moments))
        lookup = FeedbackLookup(reader.read)
        feedback = FeedbackService(reader=reader, lookup=lookup, writer=self.writer, now_us=now_us)
        self.services: dict[str, object] = {
            "feedback": feedback,
            "feedback_configs": configs,
            "feedback_tokens": FeedbackTokens(
                store=TokenLedger(ledger), feedback=feedback, now_us=now_us, new_id=new_id
            ),
        }
        """What handlers ask for, by the name of their parameter."""
