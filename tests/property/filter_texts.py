"""Random filters over the words of ``populations``: written ones, and one for every field, function and literal."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from property.field_atoms import every_generated_atom
from property.populations import EXAMPLE, LONG

_TEXT_ATOMS = (
    'eq(name, "alpha")',
    'neq(name, "Beta")',
    'like(name, "a\\\\%b\\\\_c")',
    'like(name, "a%")',
    'like(name, "_e%")',
    'notlike(name, "%a%")',
    'in(name, ["alpha", "re-rank"])',
    'nin(name, ["alpha", ""])',
    "eq(name, null)",
    "neq(name, null)",
    "eq(error, null)",
    "neq(error, null)",
    "eq(error, true)",
    'eq(error, "boom")',
    'like(error, "%DISK%")',
    'notlike(error, "%disk%")',
    'eq(run_type, "LLM")',
    'in(run_type, ["tool", "llm"])',
    'eq(status, "error")',
    'neq(status, "pending")',
    "eq(is_root, true)",
    "neq(is_root, true)",
    'eq(thread_id, "v1")',
    'neq(thread_id, "v1")',
    "eq(thread_id, null)",
    'in(thread_id, ["v1", "5"])',
    f'eq(reference_example_id, "{EXAMPLE}")',
    "neq(reference_example_id, null)",
    "eq(reference_dataset_id, null)",
    "eq(parent_run_id, null)",
    f'neq(parent_run_id, "{EXAMPLE}")',
    'eq(id, "00000000-0000-0000-0000-000000000000")',
    "in(id, [])",
    "nin(id, [])",
    'gt(dotted_order, "20260901T000003")',
    'like(dotted_order, "%.%")',
)
_AMOUNT_ATOMS = (
    'gt(latency, "5s")',
    "gte(latency, 5)",
    "lt(latency, 0.5)",
    "lte(latency, 0.5)",
    "eq(latency, 0)",
    "neq(latency, 5)",
    "eq(latency, null)",
    "gt(time_to_first_token, 1)",
    "eq(time_to_first_token, null)",
    'gt(start_time, "2026-09-01T00:00:03Z")',
    'lte(start_time, "2026-09-01T02:00:04+02:00")',
    'gte(start_time, "2026-09-01")',
    'lt(end_time, "2026-09-01T00:00:10.000001")',
    "eq(end_time, null)",
    'gt(first_token_time, "2026-09-01T00:00:04Z")',
    "neq(last_queued_at, null)",
    "gt(total_tokens, 1000)",
    "eq(total_tokens, 0)",
    "lt(prompt_tokens, -1)",
    "gte(completion_tokens, 4000)",
    "gt(total_cost, 0.5)",
    "eq(total_cost, 0.75)",
    "neq(total_cost, 0.75)",
    "lt(prompt_cost, 1e30)",
    "gt(prompt_cost, 0.2499999999999999)",
    "eq(completion_cost, null)",
    "gte(prompt_token_details.cache_read, 999)",
    "neq(prompt_token_details.cache_read, 2)",
    "in(prompt_token_details.cache_read, [2, 999])",
    "eq(prompt_token_details.cache_read, null)",
    "neq(prompt_token_details.audio, null)",
    "lt(completion_cost_details.reasoning, 0.001)",
    "eq(completion_cost_details.reasoning, 0.000125)",
    "nin(completion_cost_details.reasoning, [0.000125])",
    "neq(completion_cost_details.reasoning, null)",
    "eq(prompt_cost_details.cache_read, 0)",
    "eq(attachments, null)",
    "neq(attachments, null)",
    'eq(ls_user_id, "v1")',
    'neq(ls_user_id, "v1")',
    "eq(ls_user_id, null)",
    "like(ls_user_id, 'v%')",
)
_TAG_ATOMS = (
    'has(tags, "prod")',
    'eq(tags, "a\\"b")',
    'neq(tags, "Beta")',
    'in(tags, ["prod", "日本"])',
    'nin(tags, ["prod", "日本"])',
    'like(tags, "%o%")',
    'notlike(tags, "x\\\\_y")',
    "eq(tags, null)",
    "has(tags, 'amended')",
)
_SEARCH_ATOMS = (
    'search("quick")',
    'search("BROWN quick")',
    "search('\"quick brown\"')",
    'search("gpt-4")',
    'search("gpt")',
    'search("量子")',
    'search("计算机")',
    'search("日本")',
    'search("naïve")',
    'search("caf*")',
    'search("naï*")',
    'search("*usual")',
    'search("Fran*")',
    'search("🎉")',
    'search("nowhere")',
    'search(name, "alpha")',
    'search(inputs, "quick brown")',
    "search(outputs, '\"capital of france\"')",
    'search(metadata, "k1")',
    'search(tags, "prod")',
    'search(error, "disk")',
    'like(inputs, "%QUICK%brown%")',
    'notlike(outputs, "%Unusual-E%")',
    'like(inputs, "gpt")',
    'notlike(inputs, "fox")',
    'has(outputs, "France")',
)
_PAIR_ATOMS = (
    "eq(metadata_key, 'k1')",
    "neq(metadata_key, 'k1')",
    "in(metadata_key, ['k1', 'env'])",
    "like(metadata_key, 'k%')",
    "eq(metadata_value, 'v1')",
    "neq(metadata_value, 'v1')",
    "eq(metadata_value, 5)",
    "neq(metadata_value, 5)",
    "gt(metadata_value, 4)",
    "lte(metadata_value, '0.5')",
    "lt(metadata_value, 'v1')",
    "like(metadata_value, '%v%')",
    "notlike(metadata_value, 'v_')",
    "in(metadata_value, ['v1', '5'])",
    "nin(metadata_value, ['v1', '5'])",
    "eq(metadata_value, true)",
    "eq(input_key, 'messages.content')",
    "neq(input_key, 'messages.content')",
    "like(input_value, '%quick%')",
    "notlike(input_value, '%quick%')",
    "like(input_value, '%Unusual-Ending')",
    "eq(input_value, 'The quick brown fox')",
    f"eq(input_value, '{LONG}')",
    f"neq(input_value, '{LONG}')",
    "gt(input_value, 'The long answer')",
    "eq(input_key, 'vector')",
    "like(input_key, '%ect_r')",
    "gt(input_value, 0.25)",
    "neq(input_value, 0.5)",
    "eq(input_value, null)",
    "neq(input_value, null)",
    "eq(input_value, 'four-599')",
    "like(input_value, 'five-59_')",
    "gte(input_value, 599)",
    "notlike(input_key, 'many.w%')",
    "in(input_key, ['many.n', 'vector'])",
    "eq(output_key, 'score')",
    "eq(output_value, 2.5)",
    "gte(output_value, 2)",
    "eq(output_value, 'true')",
    "eq(feedback_key, 'ok')",
    "neq(feedback_key, 'ok')",
    "eq(feedback_score, 1)",
    "lt(feedback_score, 0.5)",
    "neq(feedback_score, 0.25)",
    "eq(feedback_score, null)",
    "neq(feedback_score, null)",
    "in(feedback_score, [0, 0.75])",
    "eq(feedback_value, 'good')",
    "gt(feedback_value, 1)",
    "neq(feedback_value, null)",
    "eq(feedback_comment, 'nice')",
    "notlike(feedback_comment, 'so%')",
    "eq(feedback_source, 'api')",
)
_BAG_ATOMS = (
    "eq(metadata.k1, 'v1')",
    "neq(metadata.k1, 'v1')",
    "eq(metadata.a.b, 5)",
    "gt(metadata.k2, 1)",
    "eq(metadata.env, null)",
    "like(inputs.question, '%quick%')",
    "eq(inputs.many.word, 'five-599')",
    "in(inputs.many.n, [599, 'x'])",
    "in(inputs.many.word, ['five-599', 'x'])",
    "neq(inputs.many.word, 'five-599')",
    "eq(inputs.vector, null)",
    "neq(inputs.vector, 0.5)",
    "eq(outputs.score, 2.5)",
    "gt(feedback.ok, 0.5)",
    "has(metadata, 'k1')",
    "exists(metadata, 'env')",
    'has(metadata, \'{"k1": "v1"}\')',
    "not(has(metadata, '{\"k2\": 5}'))",
)
_PARTS = {
    family: [atom for atom in (*_PAIR_ATOMS, *every_generated_atom) if f"({family}_" in atom]
    for family in ("metadata", "input", "output", "feedback")
}


def _one_of(atoms: Sequence[str]) -> st.SearchStrategy[str]:
    """By number, because a strategy that shows all of them when it is printed takes long to print."""
    return st.integers(0, len(atoms) - 1).map(lambda number: atoms[number])


_FAMILY_GROUPS = st.sampled_from(list(_PARTS)).flatmap(
    lambda family: st.lists(_one_of(_PARTS[family]), min_size=2, max_size=3, unique=True).map(
        lambda chosen: f"and({', '.join(chosen)})"
    )
)
every_atom: tuple[str, ...] = (*_TEXT_ATOMS, *_AMOUNT_ATOMS, *_TAG_ATOMS, *_SEARCH_ATOMS, *_PAIR_ATOMS, *_BAG_ATOMS)
_ATOMS = _one_of(every_atom) | _one_of(every_generated_atom)
filters: st.SearchStrategy[str] = st.recursive(
    _ATOMS | _FAMILY_GROUPS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"and({', '.join(items)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"or({', '.join(items)})"),
        inner.map(lambda item: f"not({item})"),
    ),
    max_leaves=6,
)
_AXES = st.sampled_from(["child", "descendant", "parent", "ancestor", "sibling", "root", "trace"])
_COUNTS = st.builds(
    "count({}({}), {}, {})".format,
    _AXES,
    _ATOMS,
    st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte"]),
    st.integers(0, 3),
)
_RELATIONS = st.one_of(
    _COUNTS,
    st.builds("{}({})".format, _AXES, filters),
    st.builds("{}({})".format, _AXES, _COUNTS),
    st.builds("{}({}({}))".format, _AXES, _AXES, _ATOMS),
    st.builds("{}(and({}, {}({})))".format, _AXES, _ATOMS, _AXES, _ATOMS),
)
relations: st.SearchStrategy[str] = st.recursive(
    _RELATIONS,
    lambda inner: st.one_of(
        st.lists(inner | _ATOMS, min_size=2, max_size=3).map(lambda items: f"and({', '.join(items)})"),
        st.lists(inner | _ATOMS, min_size=2, max_size=3).map(lambda items: f"or({', '.join(items)})"),
        inner.map(lambda item: f"not({item})"),
    ),
    max_leaves=3,
)
"""Filters that speak of relatives, counted or not, inside each other and beside conditions on the run."""
