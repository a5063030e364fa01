"""Any JSON at all: kept byte for byte on the way in, and never a reason for the derived columns to fail."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from runlake.ingest.costs import CostBook
from runlake.ingest.derive import derive_run
from runlake.ingest.flatten import flatten
from runlake.ingest.usage import find_usage
from runlake.model.pairs import MAX_PAIRS
from runlake.model.run import PAYLOAD_FIELDS, Entry, RunField, RunState, WriteKind
from runlake.wire.run_writes import read_run

RUN_ID = UUID(int=1, version=4)
PRICES = CostBook()
WORDS = (
    "messages generations choices message kwargs content role text usage usage_metadata llm_output token_usage "
    "response_metadata metadata invocation_params ls_model_name ls_provider session_id input_tokens output_tokens "
    "total_tokens prompt_tokens input_token_details cache_read total_cost name time new_token user assistant gpt-4o"
)
KEYS = st.one_of(st.sampled_from(WORDS.split()), st.text(max_size=5))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8), KEYS
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


def _dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


@given(JSON, JSON, st.sampled_from(["llm", "chain", "embedding"]))
def test_columns_can_be_derived_and_stored_whatever_the_payloads(left: object, right: object, run_type: str) -> None:
    entries: dict[RunField, Entry] = {name: Entry(0, _dumps(left)) for name in PAYLOAD_FIELDS}
    entries[RunField.OUTPUTS] = Entry(0, _dumps(right))
    entries[RunField.RUN_TYPE] = Entry(0, run_type)
    derived = derive_run(RunState(RUN_ID, True, entries), now_us=5, prices=PRICES)
    stored = msgspec.json.decode(msgspec.json.encode(derived))
    assert stored["prompt_tokens"] >= 0
    assert len(stored["metadata_keys"]) == len(stored["metadata_values"])
    assert len(stored["input_pairs"]) <= 2 * MAX_PAIRS + 1
    assert not any("\0" in key for key in stored["metadata_keys"])


def _leaves(value: object, path: str) -> list[tuple[str, str]]:
    """The rule of flattening, written once more the short way."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item, path)]
    if value is None or not path:
        return []
    return [(path.replace("\0", ""), value if isinstance(value, str) else json.dumps(value))]


@given(JSON)
def test_flattening_follows_its_rule(value: Any) -> None:
    found = flatten(value)
    assert sorted(zip(found.keys, found.values, strict=True)) == sorted(_leaves(value, ""))
    assert not found.bare_keys


@given(JSON, JSON)
def test_usage_is_found_or_not_but_never_fails(outputs: Any, metadata: Any) -> None:
    usage = find_usage(outputs, metadata, "llm")
    assert usage is None or usage.total_tokens >= 0


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_payloads_pass_byte_for_byte(value: dict[str, object], indent: int | None, is_ascii: bool) -> None:
    source = json.dumps(value, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "replace")
    body = b'{"id":"%s", "inputs" : %s ,"x":NaN}' % (str(RUN_ID).encode(), source)
    for sent in (body, body.replace(b',"x":NaN', b"")):
        assert read_run(sent, WriteKind.CREATE).fields == {RunField.INPUTS: source}
