"""The commands that need no server: ``translate``, and ``explain`` of a search."""

from __future__ import annotations

import pytest

from runlake.cli import app, main


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["translate", 'eq(status, "error")'], "status:error"),
        (["translate", 'neq(name, "a b")', "--to", "bar"], '-name:"a b"'),
        (["translate", "--to", "filter", "status:error refund"], 'and(eq(status, "error"), search("refund"))'),
        (["translate", "-5", "--to", "filter"], 'not(search("5"))'),
    ],
)
def test_translate_prints_the_other_language(
    arguments: list[str], printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app(arguments, result_action="return_value")
    assert capsys.readouterr().out == printed + "\n"


def test_explain_shows_the_filter_that_a_search_stands_for(capsys: pytest.CaptureFixture[str]) -> None:
    app(["explain", "--bar", "status:error"], result_action="return_value")
    assert capsys.readouterr().out.startswith('filter\n  eq(status, "error")\n')


@pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens:UserWarning")
def test_a_search_that_cannot_be_read_ends_with_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["runlake", "explain", "--bar", "status:bad"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("search is not valid")
    assert "status:bad\n       ^^^" in said
