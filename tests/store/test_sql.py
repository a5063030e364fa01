"""SQL of callers against the real engine: what it says, where it ends, and that it reads nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from runlake.errors import InvalidError, NotFoundError, RunlakeError, TooMuchWorkError
from runlake.ingest.batch import IngestBatch
from runlake.model.project import Feedback
from runlake.query.lanes import QueryLanes
from runlake.query.request import QueryLimits
from runlake.query.sql_queries import MAX_ROWS, SqlQueries, SqlResult
from store.harness import OTHER_TENANT, TENANT, OpenStore, create, end, open_store, run_id

PROJECT = uuid5(TENANT, "p")
LANES = QueryLanes(search_threads=2, max_waiting=10)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenStore]:
    with open_store(Path(tmp_path_factory.mktemp("sql")) / "engine") as opened:
        opened.write(*(create(n, extra=b'{"metadata":{"env":"it\'s"}}', name=f"n{n % 3}") for n in range(6)))
        opened.write(*(end(n) for n in range(4)))
        mark = Feedback(tenant_id=TENANT, id=UUID(int=1), key="score", run_id=run_id(1), score=0.5)
        asyncio.run(opened.writer.write(IngestBatch(tenant_id=TENANT, feedback=(mark,))))
        opened.write(create(1, name="a secret"), end(1), create(9, name="a secret"), tenant_id=OTHER_TENANT)
        yield opened


def run(store: OpenStore, text: str, *, limits: QueryLimits | None = None, project: UUID = PROJECT) -> SqlResult:
    queries = SqlQueries(
        engine=store.engine,
        moments=store.moments,
        live_projects=lambda tenant_id: (uuid5(tenant_id, "p"),),
        limits=limits or QueryLimits(),
        lanes=LANES,
    )
    return asyncio.run(queries.query(text, (project,), tenant_id=TENANT))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT count(*) FROM runs", [[6]]),
        (
            "SELECT name, count(*) AS n FROM runs WHERE end_time IS NOT NULL GROUP BY name ORDER BY name",
            [["n0", 2], ["n1", 1], ["n2", 1]],
        ),
        ("SELECT count() FROM runs WHERE metadata['env'] = 'it\\'s'", [[6]]),
        ("SELECT r.name, f.score FROM feedback f JOIN runs r ON r.id = f.run_id", [["n1", 0.5]]),
        ("WITH runs AS (SELECT 1 AS n) SELECT sum(n) FROM runs", [[1]]),
        ("SELECT quantile(0.5)(latency_seconds) FROM runs", [[0.25]]),
        ("SELECT 'a' || 'b', ['x'], true, NULL", [["ab", ["x"], True, None]]),
    ],
)
def test_a_select_is_answered(store: OpenStore, text: str, rows: list[list[Any]]) -> None:
    assert run(store, text).rows == rows


def test_columns_have_names_and_types(store: OpenStore) -> None:
    found = run(store, "SELECT id, start_time, total_cost, total_tokens, is_root, tags, metadata FROM runs LIMIT 1")
    types = ["uuid", "timestamp", "float", "integer", "boolean", "list", "object"]
    assert [column.data_type for column in found.columns] == types
    assert found.rows[0][1].endswith("Z")
    assert found.rows[0][6] == {"env": "it's"}


ATTACKS = (
    # other tables, whatever they are called
    "SELECT * FROM open_runs",
    "SELECT * FROM default.runs",
    "SELECT * FROM system.tables",
    "SELECT * FROM runlake_runs",
    "SELECT id FROM runs WHERE id IN open_runs",
    "SELECT id FROM runs WHERE id IN system.one",
    "WITH runs AS (SELECT * FROM runs) SELECT name FROM runs",
    "SELECT o.name FROM (WITH open_runs AS (SELECT 1) SELECT * FROM open_runs) AS a, open_runs AS o",
    "WITH open_runs AS (SELECT name FROM open_runs) SELECT * FROM open_runs",
    # table functions and functions that look around
    "SELECT * FROM url('http://127.0.0.1', 'CSV', 'a String')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
    "SELECT * FROM merge('default', '.*')",
    "SELECT * FROM numbers(10)",
    "SELECT file('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT getSetting('max_threads')",
    "SELECT hostName(), currentUser()",
    "SELECT sleep(3)",
    "SELECT dictGet('a', 'b', 1)",
    "SELECT joinGet('runs', 'id', 1)",
    # other statements and clauses
    "SELECT 1; DROP TABLE runs",
    "DROP TABLE runs",
    "INSERT INTO runs SELECT * FROM runs",
    "EXPLAIN SELECT 1",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 FORMAT JSON",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT * FROM runs FINAL",
    "SELECT * REPLACE ('x' AS name) FROM runs",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT * FROM t",
    # breaking out of texts and names
    "SELECT {p0:UUID}",
    "SELECT `a``; DROP TABLE runs` FROM runs",
    "SELECT 'a\\' UNION ALL SELECT name FROM open_runs --' FROM open_runs",
    "SELECT $$x$$",
    "SELECT 1 /* ",
    "SELECT tenant_id FROM runs",
    "SELECT version FROM runs",
)


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_else_can_be_read_or_done(store: OpenStore, text: str) -> None:
    with pytest.raises(RunlakeError) as caught:
        run(store, text)
    assert caught.value.status in {404, 422}, caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("text", ["SELECT name FROM runs", "SELECT * FROM runs", "SELECT f.* FROM feedback f"])
def test_another_tenant_is_never_seen(store: OpenStore, text: str) -> None:
    assert "secret" not in str(run(store, text).rows)
    with pytest.raises(NotFoundError):
        run(store, text, project=uuid5(OTHER_TENANT, "p"))


def test_what_is_cut_is_said_to_be(store: OpenStore) -> None:
    many = "SELECT arrayJoin(arrayEnumerate(splitByString('', repeat('a', 2000)))) AS n"
    found = run(store, many)
    assert (len(found.rows), found.cut_by) == (MAX_ROWS, "row_limit")
    wide = f"SELECT repeat('a', 90000) AS a FROM ({many}) LIMIT 200"
    found = run(store, wide)
    assert (len(found.rows), found.cut_by) == (111, "size_limit")
    assert run(store, "SELECT 1").cut_by is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT nmae FROM runs", "nmae"),
        ("SELECT name FROM runs GROUP BY id", "name"),
        ("SELECT lower(total_tokens) FROM runs", "argument"),
        ("SELEC 1", "Col: 7"),
        ("", "single SELECT"),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "query"),
        ("SELECT " + "+".join(["1"] * 4000), "parts"),
        ("SELECT repeat(name, 100001) FROM runs", "up to 100000, not 100001"),
        ("SELECT leftPad(name, 1e9) FROM runs", "up to 100000, not 1e9"),
        ("SELECT repeat(concat('a', rightPad(name, 10)), 10) FROM runs", "multiply the numbers"),
    ],
    ids=["column", "aggregate", "type", "word", "empty", "deep", "long", "repeat", "pad", "repeat of pad"],
)
def test_mistakes_are_the_senders_and_told(store: OpenStore, text: str, said: str) -> None:
    with pytest.raises(InvalidError) as caught:
        run(store, text)
    assert said in caught.value.message
    assert "runlake_" not in caught.value.message


MANY = "arrayEnumerate(splitByString('', repeat('a', 20000)))"
FEWER = MANY.replace("20000", "3000")
JOINED = " CROSS JOIN ".join(f"(SELECT arrayJoin({MANY}) AS n) AS {name}" for name in "xyz")


@pytest.mark.parametrize(
    "text",
    [
        f"SELECT count() FROM {JOINED}",
        f"SELECT x.n FROM {JOINED} ORDER BY x.n + y.n + z.n LIMIT 1",
        f"SELECT arrayCount(n -> arrayCount(m -> toString(m * n) LIKE '%7%7%7%', {FEWER}) > 3, {FEWER})",
    ],
    ids=["join", "sort", "constant"],
)
def test_a_query_ends_at_its_deadline(store: OpenStore, text: str) -> None:
    """Also one that the engine does not look up from, which is in the middle of a constant."""
    started = time.perf_counter()
    with pytest.raises(TooMuchWorkError) as caught:
        run(store, text, limits=QueryLimits(max_seconds=0.5))
    assert "query_max_seconds" in caught.value.message
    assert time.perf_counter() - started < 1.2, "half a second, and what a busy machine adds"
