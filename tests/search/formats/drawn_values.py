"""JSON text and damaged bytes, drawn for the tests of every codec."""

from __future__ import annotations

import json
import struct

from hypothesis import strategies as st

from middleware.search.formats.literals import (
    spell_big,
    spell_bytes,
    spell_decimal,
    spell_double,
    spell_integer,
    spell_single,
)
from middleware.search.formats.text import quote

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.sampled_from(
    (
        "",
        "x" * 64,
        "x" * 65,
        "é" * 32,
        "é" * 33,
        "x" * 4000,
        "手" * 4000,
        "word " * 40,
        "\U0001f600" * 2000,
        "no",
        "1",
        "a: b",
    )
)
longs = st.integers(-(2**63), 2**63 - 1)
singles = st.floats(width=32)
scalars = st.one_of(
    st.sampled_from(("null", "true", "false", "0e999", "-0e999", "1E999", "-1e999", "-0.0", "-0E0")),
    longs.map(spell_integer),
    st.floats().filter(lambda value: value == value).map(spell_double),
    singles.filter(lambda value: value == value).map(spell_single),
    texts.map(quote),
)
binary_scalars = st.one_of(
    scalars,
    st.integers(-(10**40), 10**40).map(spell_big),
    st.builds(spell_decimal, st.integers(-(10**30), 10**30), st.integers(-400, 400)),
    st.binary(max_size=40).map(lambda content: f'"{spell_bytes(content)}"'),
)


def _nest(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    objects = st.dictionaries(texts.map(quote), values, max_size=6)
    return st.one_of(
        st.lists(values, max_size=6).map(lambda items: "[" + ",".join(items) + "]"),
        objects.map(lambda members: "{" + ",".join(f"{name}:{value}" for name, value in members.items()) + "}"),
    )


documents = st.recursive(scalars, _nest, max_leaves=20)
binary_documents = st.recursive(binary_scalars, _nest, max_leaves=20)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A few bytes of `whole` changed, or its end cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


def single(value: float) -> float:
    """The nearest 32-bit float."""
    return float(struct.unpack(">f", struct.pack(">f", value))[0])


SAMPLE = json.dumps(
    {"took": 3, "hits": {"hits": [{"_id": "a", "_score": 1.5, "_source": {"t": "é" * 40, "n": [1, -2**40, 2**70,
    {}]}}]}},
    ensure_ascii=False,
)  # fmt: skip
