"""A server that requires keys: the SDK, the command line, what its log says, what is left over after a restart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from contract.sdk_runner import Outcome, Sdk, run_scenario
from contract.server_process import ServerProcess
from runlake.model.access import new_key_text

PAYLOAD_WORD = "hippopotamus"


def command(*arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    """``runlake`` with these arguments, in an environment without settings of ours."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RUNLAKE_", "LANGSMITH_"))}
    if key is not None:
        environment["LANGSMITH_API_KEY"] = key
    return subprocess.run(
        [sys.executable, "-m", "runlake.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment,
    )


def make_key(*arguments: str, key: str | None = None) -> str:
    done = command("keys", "create", *arguments, key=key)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """A server that requires keys, and an operator's key."""

    url: str
    operator: str
    log: Path

    def make(self, *scopes: str, limit: int | None = None) -> str:
        body = {"scopes": list(scopes), "ingest_per_minute": limit, "query_per_minute": limit}
        answer = httpx.post(f"{self.url}/api-key", json=body, headers={"X-API-Key": self.operator})
        return str(answer.json()["key"])


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    folder = tmp_path_factory.mktemp("keyed")
    operator = make_key("--data", str(folder / "data"), "--scope", "operator")
    server = ServerProcess(folder / "data", "--auth", "required", "--log-level", "debug")
    yield Keyed(url=server.url, operator=operator, log=folder / "server.log")
    server.stop()


def run_with(keyed: Keyed, key: str) -> Outcome:
    return run_scenario("keyed", Sdk.CURRENT, keyed.url, settings={"LANGSMITH_API_KEY": key})


def test_a_key_that_may_only_ingest_traces_and_reads_nothing(keyed: Keyed) -> None:
    sent = run_with(keyed, keyed.make("ingest"))
    assert sent["trace"] == "sent"
    assert sent.complaints == ""
    kind, text = sent["read"]
    assert kind == "LangSmithError"
    assert "403" in text
    assert "this key lacks the scope read; it has ingest" in text
    project = {"X-API-Key": keyed.make("read")}
    (found,) = httpx.get(f"{keyed.url}/sessions", params={"name": sent.project}, headers=project).json()
    runs = httpx.post(f"{keyed.url}/runs/query", json={"session": [found["id"]]}, headers=project).json()["runs"]
    assert [run["name"] for run in runs] == ["kept apart"]


def test_a_key_that_may_only_read_cannot_trace_and_the_sdk_says_why(keyed: Keyed) -> None:
    refused = run_with(keyed, keyed.make("read"))
    assert "403" in refused.complaints
    assert "this key lacks the scope ingest" in refused.complaints
    assert refused["settings"] == "default"


def test_a_key_with_both_scopes_does_all(keyed: Keyed) -> None:
    done = run_with(keyed, keyed.make("ingest", "read"))
    assert done["read"] == ["kept apart"]
    assert done.complaints == ""


@pytest.mark.parametrize("key", ["lsv2_pt_0123456789", "rl_" + "x" * 43])
def test_a_wrong_key_is_an_auth_error_of_the_sdk(keyed: Keyed, key: str) -> None:
    refused = run_with(keyed, key)
    kind, text = refused["read"]
    assert kind == "LangSmithAuthError"
    assert key not in text
    assert "401" in refused.complaints


def test_a_key_is_revoked_at_once(keyed: Keyed) -> None:
    made = httpx.post(f"{keyed.url}/api-key", json={}, headers={"X-API-Key": keyed.operator}).json()
    mine = {"X-API-Key": made["key"]}
    assert httpx.get(f"{keyed.url}/sessions", headers=mine).status_code == 200
    gone = httpx.delete(f"{keyed.url}/api-key/{made['id']}", headers={"X-API-Key": keyed.operator}).json()
    assert gone["revoked_at"]
    assert httpx.get(f"{keyed.url}/sessions", headers=mine).status_code == 401


def test_no_key_gives_more_than_it_has(keyed: Keyed) -> None:
    admin = {"X-API-Key": keyed.make("admin")}
    url = f"{keyed.url}/api-key"
    assert httpx.post(url, json={"scopes": ["admin"]}, headers=admin).status_code == 200
    for beyond in ("operator", "metrics"):
        answer = httpx.post(url, json={"scopes": [beyond]}, headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    operator = next(key for key in httpx.get(url, headers=admin).json() if "operator" in key["scopes"])
    assert httpx.delete(f"{url}/{operator['id']}", headers=admin).status_code == 403
    assert httpx.get(f"{keyed.url}/workspaces", headers={"X-API-Key": keyed.operator}).status_code == 200


def test_a_limited_key_is_told_when_to_come_back(keyed: Keyed) -> None:
    limited = {"X-API-Key": keyed.make("read", limit=2)}
    answers = [httpx.get(f"{keyed.url}/sessions?limit=1", headers=limited) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    assert answers[2].json()["code"] == "rate_limited"
    assert "x-ratelimit-limit" not in httpx.get(f"{keyed.url}/ok", headers=limited).headers


def test_the_log_has_no_key_no_payload_and_no_query(keyed: Keyed) -> None:
    key = keyed.make("ingest", "read")
    wrong = new_key_text()
    run = {"id": "0198c0de-0000-7000-8000-000000000009", "name": PAYLOAD_WORD, "inputs": {"x": PAYLOAD_WORD}}
    for shown in (key, wrong):
        sent = {"X-API-Key": shown, "Authorization": f"Bearer {shown}"}
        httpx.post(f"{keyed.url}/runs", json=run, headers=sent)
        httpx.post(f"{keyed.url}/runs/query", json={"filter": f'eq(name, "{PAYLOAD_WORD}'}, headers=sent)
        httpx.post(
            f"{keyed.url}/runs/query", json={"is_root": True, "filter": f'search("{PAYLOAD_WORD}")'}, headers=sent
        )
        httpx.get(f"{keyed.url}/sessions", params={"name": PAYLOAD_WORD}, headers=sent)
    log = keyed.log.read_text()
    assert len(log.splitlines()) >= 8
    for text in (key, wrong, keyed.operator, key[3:], PAYLOAD_WORD):
        assert text not in log


def test_the_command_line_asks_a_running_server(keyed: Keyed) -> None:
    tenant = command("tenants", "create", "by command", "--url", keyed.url, key=keyed.operator)
    assert tenant.returncode == 0, tenant.stderr
    admin = make_key("--url", keyed.url, "--tenant", "by command", "--scope", "admin,metrics", key=keyed.operator)
    shown = command("keys", "list", "--url", keyed.url, key=admin)
    assert "admin,metrics" in shown.stdout
    assert admin not in shown.stdout
    identity = shown.stdout.splitlines()[1].split()[0]
    assert httpx.get(f"{keyed.url}/metrics", headers={"X-API-Key": admin}).status_code == 200
    assert command("keys", "revoke", identity, "--url", keyed.url, key=admin).returncode == 0
    refused = command("keys", "list", "--url", keyed.url, key=admin)
    assert (refused.returncode, "401" in refused.stderr) == (1, True)


def test_the_command_line_leaves_a_directory_in_use_alone_and_says_what_to_do(keyed: Keyed) -> None:
    done = command("keys", "list", "--data", str(keyed.log.parent / "data"))
    assert done.returncode == 2
    assert "a server uses the data directory" in done.stderr
    assert "--url http://HOST:PORT" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list", "--data", "/nowhere"], "/nowhere is no data directory"),
        (["list", "--url", "localhost:1984"], "--url must be the address of a server"),
        (["list", "--url", "http://127.0.0.1:1"], "no Runlake server answers at http://127.0.0.1:1"),
        (["list", "--url", "http://127.0.0.1:1", "--data", "x"], "give one of them"),
        (["create", "--scope", "write", "--data", "{tmp}/new"], "scopes 'write' is not known"),
        (["create", "--scope", "read", "--expires", "soon", "--data", "{tmp}/new"], "expires_at: 'soon' is not a time"),
    ],
)
def test_the_command_line_names_what_is_wrong(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = command("keys", *(part.replace("{tmp}", str(tmp_path)) for part in arguments))
    assert done.returncode != 0
    assert done.stderr.startswith("runlake: ")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_keys_and_their_last_use_outlive_the_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key("--data", str(data), "--scope", "read", "--name", "reader", "--expires", "1d")
    server = ServerProcess(data, "--auth", "required")
    assert httpx.get(f"{server.url}/sessions", headers={"X-API-Key": key}).status_code == 200
    assert server.stop() == 0
    row = command("keys", "list", "--data", str(data)).stdout.splitlines()[1]
    assert row.split()[3] == "reader"
    assert not row.endswith("-"), "the last use is stored at the end at the latest"
    again = ServerProcess(data, "--auth", "required")
    assert httpx.get(f"{again.url}/sessions", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert again.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("log_format", "lines", "keys"), [("console", 6, 1), ("json", 1, 0)])
def test_a_first_start_says_how_to_make_the_first_key(tmp_path: Path, log_format: str, lines: int, keys: int) -> None:
    """Also when it is the public URL that makes keys necessary; ``keys`` are examples, and none is a key."""
    data = tmp_path / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNLAKE_")}
    arguments = ["--port", "0", "--data", str(data), "--public-url", "https://lake.example", "--log-format", log_format]
    with subprocess.Popen(
        [sys.executable, "-m", "runlake.cli", "serve", *arguments], stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdout is not None
        shown = [server.stdout.readline() for _ in range(lines)]
        server.terminate()
    last = json.loads(shown[-1])["notice"] if log_format == "json" else shown[-1]
    assert f"runlake keys create --data {data} --scope operator" in last
    assert json.dumps(shown).count("rl_") == keys
