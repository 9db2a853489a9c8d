"""The formats that Elasticsearch speaks, each turned into JSON text and back, so that the proxy knows only JSON."""

from __future__ import annotations

import re
from typing import Any

from middleware.search.formats import cbor, smile, yaml
from middleware.search.formats.literals import BYTES_MARK, java_float, nearest_single, spell_single
from middleware.search.formats.media_type import Format, MediaType, answer_format, read_media_type
from middleware.search.formats.pretty import compact_json, pretty_json
from middleware.search.formats.streams import split_stream
from middleware.search.json_text import Unreadable, load_strict

__all__ = [
    "Format",
    "MediaType",
    "answer_format",
    "compact_json",
    "decode_body",
    "pretty_json",
    "read_media_type",
    "read_text",
    "spell_score",
    "split_stream",
    "write_text",
]

_READ = {Format.CBOR: cbor.read, Format.SMILE: smile.read, Format.YAML: yaml.read}
_WRITE = {Format.CBOR: cbor.write, Format.SMILE: smile.write, Format.YAML: yaml.write}
_NOT_A_NUMBER = re.compile(r"(?<![\d.])0[eE]999")


def decode_body(data: bytes, format: Format) -> Any:
    """Decode a request body as Elasticsearch would, as strictly as `load_strict`: no duplicate names, no NaN or bytes.

    Raises Unreadable; also where the engines' versions would read it differently.
    """
    if format is Format.JSON:
        return load_strict(data)
    if format is Format.YAML and yaml.is_ambiguous(data):
        raise Unreadable("line breaks to some engines")
    text = _READ[format](data)
    if BYTES_MARK in text or _NOT_A_NUMBER.search(text):
        raise Unreadable("bytes or NaN in a request")
    return load_strict(text.encode())


def read_text(data: bytes, format: Format) -> str:
    """An answer as JSON text in the convention of `literals`; `write_text` gives `data` back.

    Raises Unreadable, also where it would not.
    """
    if format is Format.JSON:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(str(error)) from error
    text = _READ[format](data)
    if _WRITE[format](text) != data:
        raise Unreadable(f"{format} that we would write differently")
    return text


def write_text(text: str, format: Format) -> bytes:
    """JSON text in a format; raises Unreadable where `text` is no JSON."""
    if format is Format.JSON:
        return text.encode()
    return _WRITE[format](text)


def spell_score(value: float, format: Format) -> str:
    """The JSON literal of a `_score`, a 32-bit float to Elasticsearch: so in CBOR, SMILE and YAML; in JSON a double.

    `value` is finite; beyond what 32 bits hold it is their largest.
    """
    if format is Format.JSON:
        return repr(float(value))
    score = nearest_single(value)
    return java_float(score) if format is Format.YAML else spell_single(score)
