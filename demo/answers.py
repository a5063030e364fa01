"""What the models and the shop of the demo say: recorded, so that the demo needs no network and never varies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question in a thread and how it goes. ``score`` is the thumb the customer gives, if any."""

    question: str
    reply: str
    order: str | None = None
    wants_refund: bool = False
    score: int | None = None
    stars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation. ``key`` is the metadata key that its client puts the thread id under; there are three in use."""

    key: str
    id: str
    user: str
    environment: str
    turns: tuple[Turn, ...]


THREADS: Final = (
    Thread(
        key="session_id",
        id="chat-anna-7f3",
        user="anna",
        environment="production",
        turns=(
            Turn(
                question="Where is order 1017?",
                reply="Order 1017 left our warehouse on Monday; the tracking number is NO-5531.",
                order="1017",
                score=1,
                stars=5,
            ),
            Turn(
                question="Which gloves keep warm at minus ten?",
                reply="Our Polar gloves: wool lining, windproof, and you can still feel the brakes.",
                score=1,
                stars=4,
            ),
            Turn(
                question="Please refund order 1017.",
                reply="I could not refund it myself; a colleague will write to you today.",
                order="1017",
                wants_refund=True,
                score=0,
            ),
        ),
    ),
    Thread(
        key="thread_id",
        id="chat-bo-19c",
        user="bo",
        environment="production",
        turns=(
            Turn(
                question="Do you have the Fjord 3 in size M?",
                reply="Yes, two are in stock in Bergen.",
                score=1,
                stars=5,
            ),
            Turn(question="Where is order 9999?", reply="", order="9999"),
        ),
    ),
    Thread(
        key="conversation_id",
        id="chat-cem-44d",
        user="cem",
        environment="staging",
        turns=(
            Turn(
                question="Wie pflege ich die Kette? 🚲", reply="Trocken abwischen, dann ölen: größere Glieder zuerst."
            ),
            Turn(question="Are winter tyres worth it?", reply="On ice, yes: studded tyres grip where others slide."),
        ),
    ),
)

REPLIES: Final[Mapping[str, str]] = {turn.question: turn.reply for thread in THREADS for turn in thread.turns}
"""What the model says to each question."""

ORDERS: Final[Mapping[str, str]] = {"1017": "shipped on Monday, tracking number NO-5531"}

DOCUMENTS: Final[Mapping[str, str]] = {
    "gloves": "Polar gloves: wool lining, windproof shell, rated to minus fifteen.",
    "tyres": "Studded tyres: 240 steel studs, for ice and packed snow.",
    "stock": "Fjord 3, size M: two in Bergen, one in Oslo.",
    "refund": "Refunds are made within 30 days to the card that was charged.",
}
