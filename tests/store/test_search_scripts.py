# ruff: noqa: RUF001 -- letters that look alike are what is tried
"""Full text in the scripts that the documentation speaks of, in payloads as clients encode them, of any size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from runlake.fql import read_filter
from runlake.query.fetch import RunFetcher
from runlake.query.request import QueryLimits, RunQuery
from store.harness import TENANT, OpenStore, create, end, open_store, run_id

TEXTS = (
    "un café à Orléans",
    "Straße nach Köln",
    "ISTANBUL güzel",
    "İstanbul güzel",
    "Iğdır ve ışık",
    "ΟΔΟΣ ΕΛΛΗΝΩΝ",
    "Привет, мир",
    "量子计算机很快",
    "東京タワーへ",
    "대한민국 만세",
    "สวัสดีชาวโลก",
    "مرحبا بالعالم",
    "שלום, עולם!",
    "well done 👍🏽 family 👨‍👩‍👧",
    "pi is 3.14, mail ada@example.org, see https://example.org/a?b=1#c",
    "id 0c49958e-e16f-48a0-825b-79ed742ca73e and d41d8cd98f",
    "cafe\u0301 decomposed",
    "x " * 1_500_000 + "needle-in-megabytes",
)


@pytest.fixture(scope="module", params=[True, False], ids=["escaped", "as is"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    """One run a text; every other one is still open."""
    with open_store(Path(tmp_path_factory.mktemp("scripts")) / "engine") as opened:
        for number, text in enumerate(TEXTS):
            opened.write(create(number, inputs=json.dumps({"q": [text]}, ensure_ascii=request.param).encode()))
            if number % 2:
                opened.write(end(number))
        yield opened


def found(store: OpenStore, words: str) -> list[int]:
    text = f"search({json.dumps(words)})"
    query = RunQuery(tenant_id=TENANT, sessions=(uuid5(TENANT, "p"),), filter=read_filter(text))
    page = RunFetcher(store.engine, QueryLimits()).page(query, store.moments.current(TENANT))
    return sorted(UUID(run.id).int - run_id(0).int for run in page.runs)


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("CAFÉ", [0]),
        ("cafe", []),
        ("caf*", [0, 16]),
        ("orléans café", [0]),
        ('"à orléans"', [0]),
        ("straße", [1]),
        ("STRASSE", []),
        ("KÖLN", [1]),
        ("istanbul", [2]),
        ("İSTANBUL", [3]),
        ("ıŞIK", []),
        ("ışık", [4]),
        ("οδος", [5]),
        ("ελλην*", [5]),
        ("привет МИР", [6]),
        ("при*", [6]),
        ("量子", [7]),
        ("计算", [7]),
        ("子计", [7]),
        ("算计", []),
        ("タワー", [8]),
        ("한민", [9]),
        ("ชาวโลก", [10]),
        ("بالعالم", [11]),
        ("عالم", []),
        ("*عالم", [11]),
        ("עולם", [12]),
        ('"שלום, עולם"', [12]),
        ("👍", [13]),
        ("👩", [13]),
        ("3.14", [14]),
        ("3.140", []),
        ("ada@example.org", [14]),
        ("https://example.org/a?b=1#c", [14]),
        ("example.org", [14]),
        ("0c49958e-e16f-48a0-825b-79ed742ca73e", [15]),
        ("e16f-48a0", [15]),
        ("d41d8*", [15]),
        ("*1d8cd9*", [15]),
        ("caf\u00e9", [0]),
        ("cafe\u0301", [16]),
        ("needle-in-megabytes", [17]),
        ("*dle-in-mega*", [17]),
        ("→", []),
    ],
)
def test_a_search_finds_what_its_script_promises(store: OpenStore, words: str, numbers: list[int]) -> None:
    assert found(store, words) == numbers
