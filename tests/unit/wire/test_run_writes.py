"""Run objects become writes: payloads byte for byte, the rest checked, and a bad one refused alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

import pytest

from runlake.errors import InvalidError, MalformedError, UserError
from runlake.model.attachments import Attachment
from runlake.model.run import FieldValue, RunField, RunWrite, WriteKind
from runlake.wire.feedback import Receipt
from runlake.wire.run_writes import ReadBatch, read_batch, read_multipart, read_run

ROOT = UUID("019b7cc5-5d08-7000-8000-000000000001")
CHILD = UUID("019b7cc5-5d08-7000-8000-000000000002")
OTHER = UUID("019b7cc5-5d08-7000-8000-000000000003")
ROOT_ORDER = f"20260102T030405000006Z{ROOT}"
CHILD_ORDER = f"{ROOT_ORDER}.20260102T030405040006Z{CHILD}"
START_US = 1_767_323_045_000_006
RECEIPT = Receipt(tenant_id=UUID(int=7), now_us=99, new_id=lambda: UUID(int=5))


def _read(members: Mapping[str, object], kind: WriteKind = WriteKind.CREATE) -> RunWrite:
    return read_run(json.dumps({"id": str(ROOT), **members}).encode(), kind)


def _multipart(*parts: tuple[str, bytes], types: tuple[str, ...] = ()) -> ReadBatch:
    lines = []
    for index, (name, data) in enumerate(parts):
        type_ = types[index] if index < len(types) else "application/json"
        head = f'--B\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {type_}\r\n'
        lines.append(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data + b"\r\n")
    return read_multipart(b"".join(lines) + b"--B--\r\n", "multipart/form-data; boundary=B", RECEIPT)


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({}, {}),
        ({"inputs": None, "error": None, "tags": None, "name": None, "end_time": None, "trace_id": None}, {}),
        ({"unknown": 1, "status": "success", "address": "x"}, {}),
        ({"name": "n", "run_type": " LLM "}, {RunField.NAME: "n", RunField.RUN_TYPE: "llm"}),
        ({"name": 5}, {RunField.NAME: "5"}),
        ({"tags": []}, {RunField.TAGS: ()}),
        ({"tags": ["a", 1, True, None, 1.5]}, {RunField.TAGS: ("a", "1", "true", "1.5")}),
        ({"tags": "alone"}, {RunField.TAGS: ("alone",)}),
        ({"error": "boom"}, {RunField.ERROR: "boom"}),
        ({"error": {"code": 1}}, {RunField.ERROR: '{"code":1}'}),
        ({"start_time": 1_767_323_045_000}, {RunField.START_TIME: START_US - 6}),
        ({"end_time": "2026-01-02T03:04:05.000006"}, {RunField.END_TIME: START_US}),
        (
            {"trace_id": OTHER.hex, "parent_run_id": str(CHILD)},
            {RunField.TRACE_ID: OTHER, RunField.PARENT_RUN_ID: CHILD},
        ),
        ({"parent_run_id": "", "trace_id": str(UUID(int=0))}, {}),
        ({"reference_example_id": str(OTHER)}, {RunField.REFERENCE_EXAMPLE_ID: OTHER}),
        ({"session_id": str(OTHER), "session_name": "p"}, {RunField.SESSION_ID: OTHER}),
        (
            {"inputs": [1], "outputs": "text", "extra": 0},
            {RunField.INPUTS: b"[1]", RunField.OUTPUTS: b'"text"', RunField.EXTRA: b"0"},
        ),
    ],
)
@pytest.mark.parametrize("kind", WriteKind)
def test_members_become_fields(kind: WriteKind, members: dict[str, object], fields: dict[RunField, FieldValue]) -> None:
    assert _read(members, kind).fields == fields


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"session_name": "p"}, "p"),
        ({"project_name": "q"}, "q"),
        ({"session_name": "p", "project_name": "q"}, "p"),
        ({"session_name": ""}, None),
        ({"session_name": "p", "session_id": str(OTHER)}, None),
        ({}, None),
    ],
)
def test_a_project_is_named_unless_its_id_is_given(members: dict[str, object], name: str | None) -> None:
    assert _read(members).session_name == name


def test_payloads_keep_every_byte() -> None:
    payload = '{ "z": 1.50, "a": 123456789012345678901234567890, "ü": "\\u00fc", "e": 1E5 }'.encode()
    names = ("inputs", "outputs", "extra", "events", "serialized")
    body = b'{"id":"%s",' % str(ROOT).encode() + b",".join(b'"%s" : %s' % (n.encode(), payload) for n in names) + b"}"
    write = read_run(body, WriteKind.CREATE)
    assert [write.fields[RunField(name)] for name in names] == [payload] * 5
    assert write.size_bytes == 500 + 5 * len(payload)


def test_a_dotted_order_fills_what_is_missing() -> None:
    write = _read({"id": str(CHILD), "dotted_order": CHILD_ORDER})
    assert write.fields == {
        RunField.DOTTED_ORDER: CHILD_ORDER,
        RunField.TRACE_ID: ROOT,
        RunField.PARENT_RUN_ID: ROOT,
        RunField.START_TIME: START_US + 40_000,
    }


def test_a_patch_does_not_take_its_start_from_the_dotted_order() -> None:
    assert RunField.START_TIME not in _read({"dotted_order": ROOT_ORDER}, WriteKind.PATCH).fields


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"id": str(OTHER), "dotted_order": CHILD_ORDER}, [str(OTHER), str(CHILD), "its last segment must be"]),
        (
            {"id": str(CHILD), "dotted_order": CHILD_ORDER, "trace_id": str(OTHER)},
            [str(ROOT), str(OTHER), "must be equal"],
        ),
        (
            {"id": str(CHILD), "dotted_order": CHILD_ORDER, "parent_run_id": str(OTHER)},
            [str(ROOT), str(OTHER), "parent"],
        ),
        ({"dotted_order": ROOT_ORDER, "parent_run_id": str(OTHER)}, ["one segment, as a root has", str(OTHER)]),
        ({"parent_run_id": str(ROOT)}, ["parent_run_id is the run itself"]),
        ({"dotted_order": f"20260102T030405006Z{ROOT}"}, ["fraction of 3 digits where 6 are needed"]),
        ({"dotted_order": f"20260230T030405000006Z{ROOT}"}, ["segment 1", "cannot be read"]),
        ({"dotted_order": f"02000102T030405000006Z{ROOT}"}, ["1900 to 2299"]),
        ({"dotted_order": 5}, ["must be a text"]),
        ({"run_type": "agent"}, ["'agent'", "tool, chain, llm, retriever, embedding, prompt, parser"]),
        ({"run_type": {}}, ["run_type"]),
        ({"id": str(UUID(int=0))}, ["id is missing"]),
        ({"id": None}, ["id is missing"]),
    ],
)
def test_what_cannot_be_accepted_is_refused_with_the_ids(members: dict[str, object], words: list[str]) -> None:
    with pytest.raises(InvalidError) as caught:
        _read(members)
    assert all(word in caught.value.message for word in words), caught.value.message


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"id": "run-1"}, "id"),
        ({"trace_id": 5}, "trace_id"),
        ({"parent_run_id": "{" + str(OTHER) + "}"}, "parent_run_id"),
        ({"start_time": "soon"}, "start_time"),
        ({"end_time": []}, "end_time"),
        ({"session_id": "default"}, "session_id"),
        ({"attachments": {"a": "b"}}, "attachments"),
        ({"attachments": {"a": ["image/png", "no base64!"]}}, "attachments"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(members: dict[str, object], field: str) -> None:
    with pytest.raises(MalformedError) as caught:
        _read(members)
    assert caught.value.field == field
    assert field in caught.value.message


def test_the_id_in_the_path_counts_and_must_agree() -> None:
    assert read_run(b"{}", WriteKind.PATCH, run_id=ROOT).run_id == ROOT
    assert read_run(f'{{"id":"{ROOT.hex}"}}'.encode(), WriteKind.PATCH, run_id=ROOT).run_id == ROOT
    with pytest.raises(InvalidError, match=f"{OTHER} differs from {ROOT}"):
        read_run(f'{{"id":"{OTHER}"}}'.encode(), WriteKind.PATCH, run_id=ROOT)


def test_a_new_run_without_an_id_gets_one() -> None:
    """The JavaScript SDK sends none; an id that is there but cannot be one is refused all the same."""
    assert read_run(b'{"name":"n"}', WriteKind.CREATE, new_id=lambda: OTHER).run_id == OTHER
    assert read_run(f'{{"id":"{ROOT}"}}'.encode(), WriteKind.CREATE, new_id=lambda: OTHER).run_id == ROOT
    with pytest.raises(InvalidError, match="id is missing"):
        read_run(f'{{"id":"{UUID(int=0)}"}}'.encode(), WriteKind.CREATE, new_id=lambda: OTHER)


def test_attachments_inside_a_run_object_are_decoded() -> None:
    write = _read({"attachments": {"b": ["image/png", "iVBO"], "a": ["text/plain", ""]}})
    assert write.attachments == (Attachment("b", "image/png", b"\x89PN"), Attachment("a", "text/plain", b""))


@pytest.mark.parametrize("spoiler", ['"x"', "NaN", r'"\ud800"'])
def test_a_bad_run_in_a_batch_is_refused_alone(spoiler: str) -> None:
    good = f'{{"id":"{ROOT}","inputs":{{"v":{spoiler},"n" : 1.50}}}}'
    bad = f'{{"id":"{OTHER}","run_type":"x"}}'
    patch = f'{{"id":"{CHILD}","outputs":{{"n" : 1.50}}}}'
    batch = read_batch(f'{{"post":[{good}, {bad} ,7],"patch":[{patch}],"more":1}}'.encode())
    assert [(write.kind, write.run_id) for write in batch.writes] == [
        (WriteKind.CREATE, ROOT),
        (WriteKind.PATCH, CHILD),
    ]
    assert batch.writes[1].fields == {RunField.OUTPUTS: b'{"n" : 1.50}'}
    assert [(refusal.part, refusal.run_id) for refusal in batch.refused] == [("post[1]", OTHER), ("post[2]", None)]


def test_invalid_utf8_in_one_run_of_a_batch_spares_the_others() -> None:
    batch = read_batch(
        b'{"post":[{"id":"%s","inputs":{"a":NaN}},{"id":"%s","inputs":"\xff"}]}'
        % (str(ROOT).encode(), str(OTHER).encode())
    )
    assert [write.fields for write in batch.writes] == [{RunField.INPUTS: b'{"a":NaN}'}]
    assert [refusal.part for refusal in batch.refused] == ["post[1]"]
    assert "UTF-8" in batch.refused[0].error.message


@pytest.mark.parametrize("body", [b"{}", b'{"post":null,"patch":[]}', b'{"post":[]}'])
def test_an_empty_batch_is_fine(body: bytes) -> None:
    assert read_batch(body) == ReadBatch()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"post":[{]}', b'{"post":{}}', b'{"post":"x"}', b'{"post":' + b"[" * 10**6]
)
def test_a_batch_that_cannot_be_read_is_refused_whole(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read_batch(body)


MAIN = f'{{"id":"{ROOT}","name":"n","inputs":{{"inline":1}},"outputs":{{"inline":2}}}}'.encode()


@pytest.mark.parametrize("is_reversed", [False, True])
def test_parts_of_a_run_come_in_any_order_and_win_over_the_run_object(is_reversed: bool) -> None:
    parts = [
        (f"post.{ROOT}", MAIN),
        (f"post.{ROOT.hex}.inputs", b'{"own" :1}'),
        (f"post.{ROOT}.error", b'"bo\\u006fm"'),
        (f"post.{ROOT}.events", b"null"),
        (f"post.{ROOT}.future_field", b"1"),
    ]
    batch = _multipart(*(reversed(parts) if is_reversed else parts))
    assert not batch.refused
    assert [write.fields for write in batch.writes] == [
        {
            RunField.NAME: "n",
            RunField.INPUTS: b'{"own" :1}',
            RunField.OUTPUTS: b'{"inline":2}',
            RunField.ERROR: "boom",
        }
    ]


def test_create_and_patch_of_a_run_stay_two_writes() -> None:
    batch = _multipart((f"post.{ROOT}", MAIN), (f"patch.{ROOT}", b'{"name":"p"}'), (f"patch.{ROOT}.outputs", b"{}"))
    assert [(write.kind, write.fields.get(RunField.OUTPUTS)) for write in batch.writes] == [
        (WriteKind.CREATE, b'{"inline":2}'),
        (WriteKind.PATCH, b"{}"),
    ]


def test_a_second_patch_in_one_body_is_another_write() -> None:
    parts = [
        (f"patch.{ROOT}", b"{}"),
        (f"patch.{ROOT}.outputs", b"1"),
        (f"patch.{ROOT}", b"{}"),
        (f"patch.{ROOT}.outputs", b"2"),
    ]
    assert [write.fields for write in _multipart(*parts).writes] == [{RunField.OUTPUTS: b"1"}, {RunField.OUTPUTS: b"2"}]


def test_attachments_go_to_their_run_and_make_a_patch_where_it_has_no_write() -> None:
    batch = _multipart(
        (f"attachment.{ROOT}.b", b"\x00\xff"),
        (f"patch.{ROOT}", b"{}"),
        (f"attachment.{OTHER}.c.d", b""),
        (f"attachment.{ROOT}.a", b"--B\r\n"),
        types=("image/png", "application/json", "", "text/plain"),
    )
    files = {write.run_id: write.attachments for write in batch.writes}
    assert all(write.kind is WriteKind.PATCH for write in batch.writes)
    assert files[ROOT] == (
        Attachment("b", "image/png", b"\x00\xff"),
        Attachment("a", "text/plain", b"--B\r\n"),
    )
    assert files[OTHER] == (Attachment("c.d", "application/octet-stream", b""),)


@pytest.mark.parametrize(
    ("name", "data", "part", "run_id", "message"),
    [
        (f"post.{OTHER}.inputs", b"{", f"post.{OTHER}", OTHER, f"part post.{OTHER}.inputs: not valid JSON at byte 1"),
        (f"post.{OTHER}.inputs", b'"\xff"', f"post.{OTHER}", OTHER, "not valid UTF-8 at byte 1"),
        (f"post.{OTHER}.extra", b"[" * 10**6, f"post.{OTHER}", OTHER, "nested too deep"),
        (f"post.{OTHER}.error", b"[" * 10**6, f"post.{OTHER}", OTHER, "nested too deep"),
        (f"post.{OTHER}.error", b"boom", f"post.{OTHER}", OTHER, f"part post.{OTHER}.error"),
        (f"post.{OTHER}", b"", f"post.{OTHER}", OTHER, "not valid JSON at byte 0"),
        (
            f"patch.{OTHER}",
            b'{"id":"%s"}' % str(CHILD).encode(),
            f"patch.{OTHER}",
            OTHER,
            f"{CHILD} differs from {OTHER}",
        ),
        ("post.nonsense", b"{}", "post.nonsense", None, "'nonsense' is not a uuid"),
        ("post", b"{}", "post", None, "is missing"),
        (f"put.{OTHER}", b"{}", f"put.{OTHER}", None, "accepted are post.<id>"),
        (f"attachment.{OTHER}", b"", f"attachment.{OTHER}", None, "accepted are post.<id>"),
        (f"feedback.{OTHER}", b'{"score":1}', f"feedback.{OTHER}", None, "key is missing"),
    ],
)
def test_a_bad_part_takes_only_its_own_run(
    name: str, data: bytes, part: str, run_id: UUID | None, message: str
) -> None:
    batch = _multipart((f"post.{ROOT}", MAIN), (name, data), (f"feedback.{CHILD}", b'{"key":"k"}'))
    assert [write.run_id for write in batch.writes] == [ROOT]
    assert [item.id for item in batch.feedback] == [CHILD]
    (refusal,) = batch.refused
    assert (refusal.part, refusal.run_id) == (part, run_id)
    assert isinstance(refusal.error, UserError)
    assert message in refusal.error.message
