"""The tables of every convention, by the name that the documentation gives it."""

from __future__ import annotations

from typing import Final

from runlake.otlp.conventions.gen_ai import GEN_AI
from runlake.otlp.conventions.langsmith import LANGSMITH
from runlake.otlp.conventions.openinference import OPENINFERENCE
from runlake.otlp.conventions.openllmetry import OPENLLMETRY
from runlake.otlp.conventions.others import OTHERS
from runlake.otlp.conventions.vercel import VERCEL
from runlake.otlp.rules import Table, make_book

TABLES: Final[dict[str, Table]] = {
    "LangSmith": LANGSMITH,
    "OpenTelemetry GenAI": GEN_AI,
    "OpenInference": OPENINFERENCE,
    "OpenLLMetry (Traceloop)": OPENLLMETRY,
    "Vercel AI SDK": VERCEL,
    "Others": OTHERS,
}

RULES: Final = make_book(TABLES)
