"""Bodies of several records (`_msearch`) cut as Elasticsearch's MultiSearchRequest cuts them."""

from __future__ import annotations

from middleware.search.formats.media_type import Format
from middleware.search.json_text import Unreadable

_SEPARATORS = {Format.JSON: b"\n", Format.SMILE: b"\xff"}


def split_stream(data: bytes, format: Format, *, skip_blank_first: bool = True) -> list[bytes]:
    """The records, header and body in turn, without their separators: a line feed, in SMILE the byte 0xFF.

    An empty header is an empty record; a last header without a body is there, too: Elasticsearch reads and drops it.
    A blank first line counts for nothing in 7.17 and OpenSearch; from 8 on it is an empty header
    (`skip_blank_first=False`). Carriage returns stay, and are space to JSON. Raises Unreadable where the last
    separator is missing, and for CBOR and YAML, which have none.
    """
    separator = _SEPARATORS.get(format)
    if separator is None:
        raise Unreadable(f"{format} has no streams")
    *records, rest = data.split(separator)
    if rest:
        raise Unreadable("the last record does not end")
    return records[1:] if skip_blank_first and records and not records[0] else records
