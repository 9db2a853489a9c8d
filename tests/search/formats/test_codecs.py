"""What holds for every codec: reading and writing undo each other, and bad bytes raise nothing but Unreadable."""

from __future__ import annotations

import contextlib
import json
import math
import time

import pytest
from drawn_values import SAMPLE, binary_documents, damaged, documents, single, singles
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.formats import Format, decode_body, read_text, spell_score, write_text
from middleware.search.formats.literals import Single, java_float, read_number, spell_single
from middleware.search.formats.text import MAX_DEPTH
from middleware.search.json_text import Unreadable

BINARY = (Format.CBOR, Format.SMILE)
NOT_JSON = (*BINARY, Format.YAML)


@given(binary_documents, st.sampled_from(BINARY))
def test_binary_formats_carry_every_literal(text, format) -> None:
    assert read_text(write_text(text, format), format) == text


@given(documents)
def test_yaml_carries_json_as_it_stands(text) -> None:
    data = write_text(text, Format.YAML)
    again = read_text(data, Format.YAML)
    assert write_text(again, Format.YAML) == data
    assert again.replace("\\u2028", "\u2028").replace("\\u2029", "\u2029") == text


@given(st.binary(max_size=200), st.sampled_from(list(Format)))
def test_arbitrary_bytes_raise_nothing_but_unreadable(data, format) -> None:
    for read in (read_text, decode_body):
        with contextlib.suppress(Unreadable):
            read(data, format)


@given(
    st.sampled_from(NOT_JSON).flatmap(lambda format: st.tuples(st.just(format), damaged(write_text(SAMPLE, format))))
)
def test_damaged_answers_raise_nothing_but_unreadable_or_come_back_whole(drawn) -> None:
    format, data = drawn
    try:
        text = read_text(data, format)
    except Unreadable:
        return
    assert write_text(text, format) == data
    json.loads(text)


@given(st.text(max_size=60), st.sampled_from(NOT_JSON))
def test_text_that_is_no_json_raises_nothing_but_unreadable(text, format) -> None:
    with contextlib.suppress(Unreadable):
        write_text(text, format)


@pytest.mark.parametrize(
    "text", ["5e999", "-2E999", "E999", "nan", "1_0", "[1", "1.2.3", "1e1e1", '{"a":1]', "truefalse", "", "[", "tru"]
)
@pytest.mark.parametrize("format", BINARY)
def test_literals_out_of_the_convention_are_unreadable(text, format) -> None:
    with pytest.raises(Unreadable):
        read_text(write_text(text, format), format)


BOMBS = {
    "cbor arrays": (b"\x9f" * 1_000_000, Format.CBOR),
    "cbor tags": (b"\xc6" * 1_000_000, Format.CBOR),
    "cbor length": (b"\x9b" + b"\xff" * 8 + b"\x01" * 100, Format.CBOR),
    "cbor text": (b"\x7b" + b"\xff" * 8, Format.CBOR),
    "cbor chunks": (b"\x7f" + b"\x60" * 1_000_000, Format.CBOR),
    "cbor decimal": (bytes.fromhex("c4821b7fffffffffffffff01"), Format.CBOR),
    "cbor digits": (b"\xc2\x5a\x00\x0f\x42\x40" + b"\xff" * 1_000_000, Format.CBOR),
    "smile arrays": (b":)\n\x05" + b"\xf8" * 1_000_000, Format.SMILE),
    "smile objects": (b":)\n\x05" + b"\xfa\x20" * 500_000, Format.SMILE),
    "smile integer": (b":)\n\x05\x24" + b"\x7f" * 1_000_000, Format.SMILE),
    "smile digits": (b":)\n\x05\x26\x0f\x09\x00\xbf" + b"\x7f" * 1_000_000, Format.SMILE),
    "yaml flow": (b"[" * 1_000_000, Format.YAML),
    "yaml mappings": (b"{a: " * 300_000, Format.YAML),
    "yaml dashes": (b"- " * 500_000, Format.YAML),
    "yaml questions": (b"? " * 500_000, Format.YAML),
    "yaml aliases": (
        b"a: &a [x, x]\n" + b"".join(b"a%d: [*a, *a, *a]\n" % number for number in range(20_000)),
        Format.YAML,
    ),
    "yaml directives": (b"%TAG !a! b\n" * 100_000, Format.YAML),
    "yaml anchors": (b"- " + b"&" * 1_000_000, Format.YAML),
    "yaml surrogates": (b'"\\ud800' + b"x" * 1_000_000 + b'"', Format.YAML),
    "yaml digits": (b"1" * 1_000_000, Format.YAML),
    "yaml underscores": (b"- " + b"1_" * 499 + b"x\n", Format.YAML),
    "json arrays": (b"[" * 1_000_000, Format.JSON),
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_request_takes_long(name) -> None:
    data, format = BOMBS[name]
    start = time.process_time()
    with contextlib.suppress(Unreadable):
        decode_body(data, format)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("format", NOT_JSON)
@pytest.mark.parametrize(("levels", "is_read"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_nesting_is_bounded_where_json_text_bounds_it(format, levels, is_read) -> None:
    text = "[" * levels + "]" * levels
    if is_read:
        assert read_text(write_text(text, format), format) == text
    else:
        with pytest.raises(Unreadable):
            read_text(write_text(text, format), format)


@given(singles.filter(math.isfinite), st.booleans())
def test_a_single_is_spelt_so_that_no_double_is(value, signs) -> None:
    literal = spell_single(value, signs_first_byte=signs)
    number = read_number(literal)
    assert isinstance(number, Single)
    assert single(number.value) == value
    assert math.copysign(1, number.value) == math.copysign(1, value)
    assert number.signs_first_byte is signs
    assert single(json.loads(literal)) == value


@given(singles.filter(math.isfinite))
def test_java_spells_a_float_that_reads_back_as_it(value) -> None:
    assert single(float(java_float(value))) == value


@pytest.mark.parametrize(
    ("value", "spelt"),
    [(0.2876821, "0.2876821"), (1.0, "1.0"), (-0.0, "-0.0"), (1e7, "1.0E7"), (9999999.0, "9999999.0"), (0.001, "0.001"),
     (123456.7, "123456.7"), (0.00099, "9.9E-4"), (3.4028235e38, "3.4028235E38"), (1e-45, "1.4E-45"), (100.0, "100.0"),
     (1.5e10, "1.5E10"), (16777216.0, "1.6777216E7"), (0.013, "0.013"), (12.0, "12.0")],
)  # fmt: skip
def test_java_spells_floats_its_own_way(value, spelt) -> None:
    assert java_float(single(value)) == spelt
    assert spell_score(value, Format.YAML) == spelt


@pytest.mark.parametrize("format", BINARY)
def test_a_score_is_a_single_in_binary_formats(format) -> None:
    data = write_text(f'{{"_score":{spell_score(0.1, format)}}}', format)
    number = read_number(read_text(data, format).removeprefix('{"_score":').removesuffix("}"))
    assert number == Single(0.1)
    assert write_text('{"_score":0.1}', format) != data


@pytest.mark.parametrize("format", NOT_JSON)
def test_requests_with_names_twice_are_unreadable(format) -> None:
    with pytest.raises(Unreadable):
        decode_body(write_text('{"a":1,"a":2}', format), format)


@pytest.mark.parametrize("format", NOT_JSON)
@pytest.mark.parametrize("literal", ["0e999", "1e999", "-1E999", '"\\udfffAAE="', "[0E999]"])
def test_requests_with_what_json_lacks_are_unreadable(format, literal) -> None:
    with pytest.raises(Unreadable):
        decode_body(write_text(f'{{"a":{literal}}}', format), format)
