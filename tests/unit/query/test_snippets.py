"""Excerpts show what full text finds, where it stands, and no more than was asked for."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from runlake.fql import read_filter
from runlake.model.run_record import RunRecord
from runlake.model.snippet import RunSnippets
from runlake.query.request import RunQuery
from runlake.query.snippets import CONTEXT_CHARS, MAX_SNIPPETS, find_snippets

LONG = "start " + "filler " * 50 + "the Needle is here " + "filler " * 50 + "end"


def run(**fields: Any) -> RunRecord:
    for name in ("inputs", "outputs", "extra"):
        if name in fields:
            fields[name] = json.dumps(fields[name]).encode()
    return RunRecord(id="r", session_id="s", trace_id="t", start_time=0, version=1, **fields)


def found(text: str, record: RunRecord) -> RunSnippets:
    query = RunQuery(tenant_id=UUID(int=1), sessions=(), filter=read_filter(text))
    return find_snippets(query, [record])["r"]


def marked(text: str, record: RunRecord) -> list[tuple[str, str, list[str]]]:
    """Field, path and the highlighted texts of each excerpt."""
    snippets = found(text, record).snippets
    return [(one.field, one.path, [one.text[low:high] for low, high in one.highlights]) for one in snippets]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('search("needle")', [("inputs", "messages[1].content", ["Needle"])]),
        ("search('\"the needle\"')", [("inputs", "messages[1].content", ["the Needle"])]),
        ('search("need*")', [("inputs", "messages[1].content", ["Need"])]),
        ('search("*eedl")', [("inputs", "messages[1].content", ["eedl"])]),
        ('search("eedl")', []),
        (
            'search("content")',
            [("inputs", "messages[0].content", ["content"]), ("inputs", "messages[1].content", ["content"])],
        ),
        ('search("istanbul 量子")', [("outputs", '["my key"].deep', ["量子"])]),
        ('search("i̇stanbul")', [("outputs", '["my key"].deep', ["İstanbul"])]),
        ('search("🎉")', [("outputs", '["my key"].deep', ["🎉"])]),
        ('search("timeout")', [("error", "", ["Timeout"])]),
        ('search("prod")', [("tags", "[0]", ["prod"]), ("metadata", "env", ["prod"])]),
        ('search("agent")', [("name", "", ["agent"])]),
        ('search("3.14")', [("inputs", "n", ["3.14"])]),
        ('search(outputs, "needle")', []),
        ('like(inputs, "%the needle%")', [("inputs", "messages[1].content", ["the Needle"])]),
        ('or(search("needle"), eq(status, "error"))', [("inputs", "messages[1].content", ["Needle"])]),
        ('not(search("needle"))', []),
        ('eq(status, "error")', []),
    ],
)
def test_the_words_are_marked_where_they_stand(text: str, expected: list[tuple[str, str, list[str]]]) -> None:
    record = run(
        name="my agent",
        error="Timeout: disk",
        tags=["prod"],
        inputs={"messages": [{"content": "hello"}, {"content": LONG}], "n": 3.14},
        outputs={"my key": {"deep": "İstanbul 量子计算 🎉"}},
        extra={"metadata": {"env": "prod"}},
    )
    assert marked(text, record) == expected


def test_an_excerpt_says_which_part_of_the_value_it_is() -> None:
    (one,) = found('search("needle")', run(inputs={"q": LONG})).snippets
    assert one.text == LONG[one.start : one.end]
    assert one.highlights == [(CONTEXT_CHARS, CONTEXT_CHARS + len("needle"))]
    assert LONG[one.start + CONTEXT_CHARS :].startswith("Needle")


def test_hits_near_each_other_share_an_excerpt_and_far_ones_do_not() -> None:
    near = found('search("cat dog")', run(inputs={"q": "cat and dog"})).snippets
    far = found('search("cat dog")', run(inputs={"q": "cat" + " x" * CONTEXT_CHARS + " dog"})).snippets
    assert [len(one.highlights) for one in near] == [2]
    assert [len(one.highlights) for one in far] == [1, 1]


def test_a_name_in_the_json_is_marked_as_one() -> None:
    (one,) = found('search("question")', run(inputs={"question": "?"})).snippets
    assert (one.in_key, one.text, one.path) == (True, "question", "question")


def test_more_excerpts_than_fit_are_told() -> None:
    record = run(inputs=[{"q": "needle"}] * (MAX_SNIPPETS + 1))
    assert found('search("needle")', record).more
    assert len(found('search("needle")', record).snippets) == MAX_SNIPPETS
    assert not found('search("needle")', run(inputs=[{"q": "needle"}] * MAX_SNIPPETS)).more


def test_a_payload_that_is_no_json_is_one_text() -> None:
    record = run()
    record.inputs = b'{"n": NaN, "q": "needle"}'
    assert marked('search("needle")', record) == [("inputs", "", ["needle"])]
