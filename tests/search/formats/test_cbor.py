from __future__ import annotations

import json

import pytest

from middleware.search.formats import cbor
from middleware.search.json_text import Unreadable

# from appendix A of RFC 8949
VECTORS = {
    "00": 0, "01": 1, "0a": 10, "17": 23, "1818": 24, "1864": 100, "1903e8": 1000, "1a000f4240": 1000000,
    "1b000000e8d4a51000": 1000000000000, "1bffffffffffffffff": 18446744073709551615, "c249010000000000000000": 2**64,
    "3bffffffffffffffff": -(2**64), "20": -1, "29": -10, "3863": -100, "3903e7": -1000, "f90000": 0.0, "f98000": -0.0,
    "f93c00": 1.0, "fb3ff199999999999a": 1.1, "f93e00": 1.5, "f97bff": 65504.0, "fa47c35000": 100000.0,
    "fa7f7fffff": 3.4028235e38, "fb7e37e43c8800759c": 1.0e300, "f90001": 5.9604645e-8, "f90400": 0.00006103515625,
    "f9c400": -4.0, "fbc010666666666666": -4.1, "f4": False, "f5": True, "f6": None, "60": "", "6161": "a",
    "6449455446": "IETF", "62225c": '"\\', "62c3bc": "ü", "63e6b0b4": "水", "64f0908591": "\U00010151", "80": [],
    "83010203": [1, 2, 3], "8301820203820405": [1, [2, 3], [4, 5]], "a0": {}, "a26161016162820203": {"a": 1, "b": [2,
    3]},
    "826161a161626163": ["a", {"b": "c"}], "7f657374726561646d696e67ff": "streaming", "9fff": [],
    "9f018202039f0405ffff": [1, [2, 3], [4, 5]], "83018202039f0405ff": [1, [2, 3], [4, 5]],
    "bf61610161629f0203ffff": {"a": 1, "b": [2, 3]}, "826161bf61626163ff": ["a", {"b": "c"}],
    "bf6346756ef563416d7421ff": {"Fun": True, "Amt": -2}, "c11a514b67b0": 1363896240,
}  # fmt: skip
HALVES = ("f90001", "f90400")


@pytest.mark.parametrize("data", VECTORS)
def test_the_examples_of_the_standard_are_read(data) -> None:
    value = json.loads(cbor.read(bytes.fromhex(data)))
    assert value == (pytest.approx(VECTORS[data]) if data in HALVES else VECTORS[data])


@pytest.mark.parametrize(
    "data", ["a201020304", "f7", "f0", "f8ff", "1c", "5f01ff", "7f4100ff", "", "ff", "8101ff", "61ff", "c24101c0"]
)
def test_what_json_text_cannot_say_is_unreadable(data) -> None:
    with pytest.raises(Unreadable):
        cbor.read(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a":[1,-1,24,-25,256,65536,4294967296]}', "bf61619f0120181838181901001a000100001b0000000100000000ffff"),
        ("[1.1,1.1E0,-0.0]", "9ffb3ff199999999999afa3f8ccccdfb8000000000000000ff"),
        ("[18446744073709551616,5e00,-5e00]", "9fc249010000000000000000c24105c34105ff"),
        ("[110e-0002,128e00]", "9fc48221186ec2420080ff"),
        ('"\\udfffAAE="', "420001"),
        ("9223372036854775808", "c249008000000000000000"),
    ],
)
def test_values_are_written_as_jackson_writes_them(text, data) -> None:
    assert cbor.write(text).hex() == data
    assert cbor.read(bytes.fromhex(data)) == text


@pytest.mark.parametrize("length", [3_995, 3_996, 3_997, 7_992, 7_993])
@pytest.mark.parametrize("char", ["x", "é", "\U0001f600"])
def test_long_text_is_written_in_chunks_and_the_one_in_one_piece_is_told_apart(length, char) -> None:
    text = json.dumps(char * length, ensure_ascii=False)
    chunked = cbor.write(text)
    assert cbor.read(chunked) == text
    is_long = len(char.encode("utf-16-le")) // 2 * length > 3_996
    assert chunked.startswith(b"\x7f") is is_long
    whole = (char * length).encode()
    in_one_piece = b"\x79" + len(whole).to_bytes(2, "big") + whole
    assert cbor.write(cbor.read(in_one_piece)) == in_one_piece
    assert json.loads(cbor.read(in_one_piece)) == char * length
