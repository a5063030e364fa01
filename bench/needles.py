"""What the text questions look for, and which run carries which needle.

A needle is text put on purpose into chosen runs. Ordinals count runs in the order of generation, from 0. Needles that
need a certain run type wait for the next run of that type, so the ground truth is what was placed, not what was
planned.
"""

# ruff: noqa: RUF001 -- Chinese text has full-width punctuation

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final


class NeedleKind(StrEnum):
    RARE = "rare"
    PER_MILLE = "per_mille"
    TENTH = "tenth"
    PHRASE = "phrase"
    CJK = "cjk"
    PATH_TEXT = "path_text"
    PATH_VALUE = "path_value"


@dataclass(frozen=True, slots=True)
class Needle:
    kind: NeedleKind
    text: str

    @property
    def sentence(self) -> str:
        """The needle as people would write it."""
        match self.kind:
            case NeedleKind.CJK:
                return f"我想提交{self.text}，请尽快处理。"
            case NeedleKind.PHRASE:
                return f"The label on the parcel says {self.text} in large letters."
            case NeedleKind.PATH_TEXT:
                return f"It waits in {self.text}, second shelf."
            case NeedleKind.PATH_VALUE:
                return self.text
            case _:
                return f"They mentioned {self.text} on the phone."


RARE: Final = tuple(Needle(NeedleKind.RARE, f"marrowfen{i}") for i in range(10))
PER_MILLE: Final = tuple(Needle(NeedleKind.PER_MILLE, f"tellurbyte{i}") for i in range(5))
TENTH: Final = tuple(Needle(NeedleKind.TENTH, f"cassivane{i}") for i in range(3))
PHRASES: Final = tuple(
    Needle(NeedleKind.PHRASE, text)
    for text in ("velvet anchor", "copper meadow", "silent harbor", "paper comet", "winter engine")
)
CJK: Final = tuple(
    Needle(NeedleKind.CJK, text) for text in ("退款申请", "行程变更", "发票抬头", "赔偿方案", "特殊餐食")
)
PATH_TEXTS: Final = tuple(Needle(NeedleKind.PATH_TEXT, f"depot-bay-{4170 + i}") for i in range(10))
PATH_VALUES: Final = tuple(Needle(NeedleKind.PATH_VALUE, f"LOCKER-{7300 + i}") for i in range(10))
ABSENT: Final = tuple(f"hollowmint{i}" for i in range(30))
"""Words that no run contains."""

CJK_BACKGROUND: Final = (
    "申请已经收到，退款需要三天。",
    "变更费用由乘客承担，行程单稍后发送。",
    "抬头写错了，请重新开具发票。",
    "我们会给出方案，赔偿金额另行通知。",
    "餐食可以提前预订，特殊要求请备注。",
)
"""The words of the CJK needles in other orders: a search for single words would find these too."""

_WORDS_APART: Final = tuple(word for needle in PHRASES for word in needle.text.split())
TENTH_SHARE: Final = 0.1
_APART_SHARE: Final = 0.05
_BACKGROUND_SHARE: Final = 0.01


class NeedlePlan:
    """Hands every run its needles; ``runs`` is how many will be generated. Deterministic for a seed."""

    def __init__(self, runs: int, seed: int) -> None:
        random = Random(f"{seed}:needles")
        self._due: dict[int, list[Needle]] = defaultdict(list)
        self._waiting: dict[str, list[Needle]] = {"llm": [], "tool": []}
        some = max(5, runs // 2_000)
        for needles, count in (
            (RARE, 10),
            (PER_MILLE, max(3, runs // 1_000)),
            (PHRASES, some),
            (CJK, some),
            (PATH_TEXTS, max(4, min(15, runs // 200))),
            (PATH_VALUES, max(4, min(15, runs // 200))),
        ):
            for needle in needles:
                for ordinal in random.sample(range(runs), min(count, runs)):
                    self._due[ordinal].append(needle)

    def take(self, ordinal: int, run_type: str, random: Random) -> tuple[Needle, ...]:
        """The needles of run ``ordinal``; call once for every run, in order."""
        out: list[Needle] = [needle for needle in TENTH if random.random() < TENTH_SHARE]
        for needle in self._due.pop(ordinal, ()):
            match needle.kind:
                case NeedleKind.PATH_TEXT:
                    self._waiting["llm"].append(needle)
                case NeedleKind.PATH_VALUE:
                    self._waiting["tool"].append(needle)
                case _:
                    out.append(needle)
        waiting = self._waiting.get(run_type)
        if waiting:
            out.append(waiting.pop(0))
        return tuple(out)


def chaff(random: Random) -> list[str]:
    """Sentences that look like needles but are none: the words of a phrase apart, CJK words in another order."""
    out: list[str] = []
    if random.random() < _APART_SHARE:
        out.append(f"It is the {_WORDS_APART[int(random.random() * len(_WORDS_APART))]} one.")
    if random.random() < _BACKGROUND_SHARE:
        out.append(CJK_BACKGROUND[int(random.random() * len(CJK_BACKGROUND))])
    return out
