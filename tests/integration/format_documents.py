"""Documents with every odd number, text, name and nesting that Elasticsearch takes, in every format."""

from __future__ import annotations

import base64
import json
import random
import struct
from typing import Any

from middleware.search.formats import Format, write_text

ODD_NUMBERS = (
    "1.10", "1e3", "-0.0", "0.1", "1.0E-7", "5e-324", "1.7976931348623157e308", "9007199254740993", "-1", "-16", "-17",
    "15", "16", "23", "24", "255", "256", "65535", "65536", "2147483647", "2147483648", "-2147483648", "-2147483649",
    "4294967295", "4294967296", "-4294967296", "-4294967297", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808", "18446744073709551616", "-9223372036854775809", "123456789012345678901234567890",
    "-123456789012345678901234567890", "1E400", "-1E400", "0.00001", "12345678.9", "1e22", "1e23", "100", "-0",
)  # fmt: skip
ODD_STRINGS = (
    "", " ", "  two", "trailing ", "a\nb", "\n", "\r\n", "\t", "\0", "\x1b\x7f\x80\x85\x9f\xa0",
    "\u2028\u2029\ufeff\ufffd",
    "手机 é", "\U0001f600", "\U0001f600 \U0001f600" * 30, "quoted \"'\\ /", "yes", "null", "~", "1.5", "- a", "a: b",
    "# c",
    "x" * 31, "x" * 32, "x" * 33, "x" * 63, "x" * 64, "x" * 65, "x" * 66, "é" * 12, "é" * 32, "é" * 33, "x" * 255,
    "x" * 256,
    "é" * 127, "é" * 128, "x" * 2666, "x" * 2667, "x" * 3996, "x" * 3997, "é" * 3997, "x" * 3995 + "\U0001f600",
    "x" * 8000, "手" * 8200, "words " * 60, "word " * 20 + "\U0001f600" * 50, " " * 100, "a  b " * 50, "é " * 100,
    "\\" * 90,
    "x" * 90 + " y", "\xa0 " * 60, "'" * 5, "%", "@", "`", "?", "? a", ":", ": a", "a:", "-", "--- a", "... a", "!x",
    "&x",
)  # fmt: skip
ODD_NAMES = (
    "手机", "a b", "a: b", "a:", "#x", "x #y", "x#y", "-x", "- x", "?x", "? x", "1x", "+", "yes", "No", "null", "~x",
    "@x", "%",
    "'", '"', "[", "{", "a,b", "é" * 28, "é" * 29, "x" * 64, "x" * 65, "x" * 127, "x" * 128, "word " * 40 + "x",
    "it's " * 40 + "#",
    " x", "x ", "---x", "...", "\U0001f600", "a\tb", "true", "y", "Y", "n", "on", "*x", "&x", "!x", "|x", ">x", "`x",
    "=", "<<", "x\\y",
)  # fmt: skip


def write_documents() -> list[tuple[bytes, str]]:
    """(body, media type) of documents with everything odd, in every format."""
    numbers = '{"title": "quark numbers", "odd": {"n": [' + ",".join(ODD_NUMBERS) + "]}}"
    strings = json.dumps({"title": "quark strings gluon", "odd": {"s": list(ODD_STRINGS)}})
    names = json.dumps({"title": "quark names", "odd": {name: {name: number} for number, name in enumerate(ODD_NAMES)}})
    many = json.dumps({"title": "many", "odd": [{f"name{number % 1500}": number} for number in range(3200)]})
    nested: Any = [{}, [], {"a": []}, [[], [[1], [[]]], {"b": [{}, {"c": {"d": [[{"e": 1, "f": [2]}]]}}]}]]
    fields = {
        "title": "gluon fields", "float": [1.1, -3.4e38, 1e-45], "half": [0.1, -65504], "double": [1.1, -1e300],
        "long": [2**63 - 1, -5], "scaled": [1.1, -7.77], "day": ["2024-02-29T12:00:00.123Z", "1969-12-31"],
        "flag": [True, False],
        "blob": base64.b64encode(bytes(range(256))).decode(), "place": "41.12,-71.34", "address": "::1", "odd": nested,
    }  # fmt: skip
    # OpenSearch does not read the separators that SnakeYAML writes
    texts = [numbers, strings, names, many, json.dumps(fields)]
    without_separators = json.dumps("\u2028\u2029\ufeff\ufffd")[1:-1]
    return [
        (
            write_text(text.replace(without_separators, "") if format is Format.YAML else text, format),
            f"application/{format}",
        )
        for text in texts
        for format in Format
        if format is not Format.YAML or text is not numbers
    ] + [
        (cbor_with_everything(), "application/cbor"),
        (smile_with_everything(), "application/smile"),
        (b'---\ntitle: quark\nodd: {a: !!binary AAECAwQ=, b: 0x1F, c: "\\U0001F600"}\n', "application/yaml"),
    ]


def cbor_with_everything() -> bytes:
    """A document of what only CBOR has: definite lengths, half floats, floats, big integers, decimals, bytes, tags."""
    values = (
        "f93c00", "f97bff", "f98001", "fa3dcccccd", "fabf800000", "fb3ff199999999999a", "fa00000001", "faff7fffff",
        "c249010000000000000000", "c349010000000000000000", "c24105", "c4820219ffff", "c48221196ab3",
        "c4823863c249010000000000000000",
        "43000102", "5f4200014102ff", "1bffffffffffffffff", "3bffffffffffffffff", "7f61616162ff",
        "d9d9f701", "9f01ff", "8101", "a1616101", "a0", "80", "40",
    )  # fmt: skip
    return b"\xa2\x65title\x65quark\x63odd\xa1\x61v\x9f" + b"".join(bytes.fromhex(value) for value in values) + b"\xff"


def smile_with_everything() -> bytes:
    """A document of what only SMILE has: floats, big integers, decimals, bytes; its own sign bits are Jackson's."""
    text = (
        '{"title":"quark","odd":{"v":[0.1E0,-1.5E0,1E-45,-0E0,110e-0002,-5e+0003,5e00,-5e00,18446744073709551616,'
        '"\\udfffAAE=","\\udfff","\\u0071uark","\\u0071"]}}'
    )
    return write_text(text, Format.SMILE)


_PIECES = (
    "a", "b", " ", "  ", "é", "手", "\U0001f600", "\n", "\t", '"', "\\", "'", ":", "#", "-", "\xa0", "\x85", "\u2028",
    "\ufeff",
    "\x7f", "\x9f", "\x01", "\x1b", "word", "longer word here", "?", ",", "[", "{", "%", "@", "&", "*", "!", "|", ">",
    "`", "0",
    "1", "~", "_", "=", "\ufffe", "\uffff", "\U000e0001", "\U0010ffff", "\ue000",
)  # fmt: skip
# SnakeYAML writes names with these in a way that no parser takes
_NOT_IN_NAMES = str.maketrans("", "", "\x85\u2028")


def draw_text(draw: random.Random, length: int) -> str:
    return "".join(draw.choices(draw.sample(_PIECES, draw.randint(1, 8)), k=draw.randint(0, length)))


def draw_document(draw: random.Random, depth: int = 0) -> Any:
    """A value of JSON, drawn so that it meets the corners of every format."""
    kind = draw.random()
    if depth < 4 and kind < 0.25:
        return [draw_document(draw, depth + 1) for _ in range(draw.randint(0, 4))]
    if depth < 4 and kind < 0.5:
        names = (draw.choice("abxyz#-?:é手0 ~@") + draw_text(draw, draw.choice((2, 5, 60, 130))) for _ in range(4))
        return {name.translate(_NOT_IN_NAMES): draw_document(draw, depth + 1) for name in names}
    if kind < 0.8:
        return draw_text(draw, draw.choice((3, 20, 80, 200, 2000)))
    if kind < 0.9:
        return struct.unpack(">d", struct.pack(">Q", draw.getrandbits(64) & ~(1 << 62)))[0]
    numbers = (draw.randint(-(2**65), 2**65), draw.randint(-(2**33), 2**33), draw.randint(-300, 300))
    return draw.choice((True, False, None, 2**63, *numbers))
