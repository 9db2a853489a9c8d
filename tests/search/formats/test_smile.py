from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.formats import smile
from middleware.search.formats.sevens import pack_binary, pack_unsigned, unpack_binary
from middleware.search.json_text import Unreadable

HEADER = "3a290a05"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("{}", "fafb"),
        ('{"a":1,"b":{"a":-1}}', "fa8061c28062fa40c1fbfb"),
        ("[15,-16,16,-17]", "f8dedf24a024a1f9"),
        ("[2147483647,2147483648]", "f8241f7f7f7fbe252000000080f9"),
        ("[0.1E0,-1.5E0,-1.5E00]", "f828036e33194d280b7e000000287b7e000000f9"),
        ("5e00", "26810201"),
        ('["","a","é",null,true,false]', "f8204061" + "80c3a9" + "212322f9"),
        ('"\\udfffAAE="', "fd820001"),
        ('"\\u0061b"', "806162"),
    ],
)
def test_values_are_written_as_jackson_writes_them(text, data) -> None:
    assert smile.write(text).hex() == HEADER + data
    assert smile.read(bytes.fromhex(HEADER + data)) == text


@pytest.mark.parametrize("length", [1, 2, 32, 33, 63, 64, 65, 66, 2_666, 2_667, 9_000])
def test_ascii_under_either_token_comes_back(length) -> None:
    text = b"x" * length
    for token in (0x3F + length, 0x7E + length) if length <= 64 else ((0xE0, 0xE4) if length > 65 else (0xE0, 0xBF)):
        if token == 0x7F:
            continue
        content = text + b"\xfc" if token in (0xE0, 0xE4) else text
        data = b":)\n\x05" + bytes((token,)) + content
        assert smile.write(smile.read(data)) == data
        assert json.loads(smile.read(data)) == text.decode()


@given(st.integers(1, 2_600), st.integers(1, 1_300))
def test_names_are_referred_back_to_until_there_are_too_many(count, different) -> None:
    text = "[" + ",".join(f'{{"n{number % different}":0}}' for number in range(count)) + "]"
    data = smile.write(text)
    assert smile.read(data) == text
    assert b"\xfe" not in data
    assert b"\xff" not in data


def test_shared_values_and_packed_bytes_are_read() -> None:
    data = b":)\n\x07\xf8\x41ab\x01\x41cd\x02\x01\xe8" + pack_binary(b"\x00\xff\x80") + b"\xf9\xff"
    assert smile.read(data) == '["ab","ab","cd","cd","ab","\\udfffAP+A"]'


@pytest.mark.parametrize(
    "data",
    ["", "3a290a", "3a290a05", "3a290a0501", "3a290a05fa41fb", "3a290a05c0c0", "3a290a15c0", "7b7d", "3a290a052b"],
)
def test_what_is_no_smile_is_unreadable(data) -> None:
    with pytest.raises(Unreadable):
        smile.read(bytes.fromhex(data))


@given(st.binary(max_size=60))
def test_bytes_of_seven_bits_undo_each_other(content) -> None:
    prefix = pack_unsigned(len(content))
    packed = pack_binary(content)
    assert packed.startswith(prefix)
    assert max(packed[len(prefix) :], default=0) < 0x80
    assert unpack_binary(packed[len(prefix) :], len(content)) == content
