"""A document on its way into an index, and the line that holds it in a spool, with a checksum against torn ones."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from middleware.errors import RequestError

_CHECKSUM_CHARS = 8


@dataclass(frozen=True, slots=True)
class Record:
    """One document for `index`; the same `id` sent twice is written once, whichever comes first."""

    index: str
    id: str
    document: Mapping[str, Any]


def encode(record: Record) -> bytes:
    """The record as one line: CRC-32 in hex, blank, JSON in UTF-8. Raises RequestError where JSON cannot hold it."""
    fields = {"index": record.index, "id": record.id, "document": record.document}
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:  # a lone surrogate is a ValueError, too
        raise RequestError(f"the document cannot be written as JSON: {error}") from error
    return b"%08x %b\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> Record | None:
    """The record on a line; None where the line was erased, torn by a crash, or damaged."""
    checksum, text = line[:_CHECKSUM_CHARS], line[_CHECKSUM_CHARS + 1 :].removesuffix(b"\n")
    try:
        if not line.endswith(b"\n") or int(checksum, 16) != zlib.crc32(text):
            return None
        fields = json.loads(text)
        return Record(fields["index"], fields["id"], fields["document"])
    except (ValueError, KeyError, TypeError):
        return None
