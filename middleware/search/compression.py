"""Compressed bodies, taken apart within bounds and put together again, since we must read what passes through us."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable

from middleware.search.json_text import Unreadable

_GZIP = ("gzip", "x-gzip")
_CODINGS = (*_GZIP, "deflate")
_MAX_CODINGS = 4
_MAX_MEMBERS = 100
_ZLIB, _RAW, _GZIP_WINDOW = zlib.MAX_WBITS, -zlib.MAX_WBITS, 16 + zlib.MAX_WBITS
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_LEVEL = 3


class TooLarge(Unreadable):
    """The body would be larger than allowed once decompressed."""


def decompress(data: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """Undo the codings of a Content-Encoding header, last one first: gzip, x-gzip, deflate (zlib or raw), identity.

    Raises TooLarge where more than `max_bytes` would come out of any of them, and Unreadable for unknown codings,
    broken or truncated data, and data behind its end.
    """
    codings = [coding for part in content_encoding.lower().split(",") if (coding := part.strip())]
    codings = [coding for coding in codings if coding != "identity"]
    if len(codings) > _MAX_CODINGS or not set(codings) <= set(_CODINGS):
        raise Unreadable(f"Content-Encoding {content_encoding!r}")
    for coding in reversed(codings):
        try:
            data = _inflate_gzip(data, max_bytes) if coding in _GZIP else _inflate(data, max_bytes)
        except zlib.error as error:
            raise Unreadable(f"no {coding}: {error}") from error
    if len(data) > max_bytes:
        raise TooLarge(f"more than {max_bytes} bytes")
    return data


def _inflate_gzip(data: bytes, max_bytes: int) -> bytes:
    """All members of a gzip file."""
    members: list[bytes] = []
    size = 0
    while data and len(members) < _MAX_MEMBERS:
        content, data = _inflate_member(data, max_bytes - size, _GZIP_WINDOW)
        size += len(content)
        members.append(content)
    if not members or data:
        raise Unreadable("no gzip member, or too many")
    return b"".join(members)


def _inflate(data: bytes, max_bytes: int) -> bytes:
    """deflate, which RFC 9110 has in zlib's wrapping and some clients send without."""
    try:
        content, rest = _inflate_member(data, max_bytes, _ZLIB)
    except zlib.error:
        content, rest = _inflate_member(data, max_bytes, _RAW)
    if rest:
        raise Unreadable("data behind the end")
    return content


def _inflate_member(data: bytes, max_bytes: int, window: int) -> tuple[bytes, bytes]:
    inflater = zlib.decompressobj(window)
    content = inflater.decompress(data, max_bytes + 1)
    if len(content) > max_bytes:
        raise TooLarge(f"more than {max_bytes} bytes")
    if not inflater.eof:
        raise Unreadable("the data ends too early")
    return content, inflater.unused_data


def compress(data: bytes, coding: str) -> bytes:
    """Apply one coding: gzip, x-gzip, deflate (in zlib's wrapping) or identity. Raises ValueError for others."""
    name = coding.strip().lower()
    if name in _GZIP:
        return gzip.compress(data, _LEVEL, mtime=0)
    if name == "deflate":
        return zlib.compress(data, _LEVEL)
    if name in ("", "identity"):
        return data
    raise ValueError(f"no coding {coding!r}")


def accepted(accept_encoding: str) -> str:
    """The Accept-Encoding to send upstream: the client's, of which we can undo gzip and deflate; else `identity`.

    Quality values are kept; `*` stands for gzip, unless gzip is named.
    """
    offers = list(_offers(accept_encoding))
    named = {coding for coding, _ in offers}
    kept = [offer for coding, offer in offers if coding in _CODINGS or coding == "identity"]
    if "*" in named and not named & set(_GZIP):
        kept += [offer.replace("*", "gzip", 1) for coding, offer in offers if coding == "*"]
    return ", ".join(kept) if _allows_a_coding(kept) else "identity"


def _offers(accept_encoding: str) -> Iterable[tuple[str, str]]:
    """(coding in lower case, coding and quality as sent) of each part with a valid quality."""
    for part in accept_encoding.split(","):
        coding, _, parameter = (piece.strip() for piece in part.partition(";"))
        if not coding:
            continue
        name, _, quality = (piece.strip() for piece in parameter.partition("="))
        if not parameter:
            yield coding.lower(), coding
        elif name.lower() == "q" and _QUALITY.fullmatch(quality):
            yield coding.lower(), f"{coding};q={quality}"


def _allows_a_coding(offers: list[str]) -> bool:
    """Whether some offer but `identity` has a quality above 0."""
    return any(not offer.lower().startswith("identity") and float(offer.partition("=")[2] or 1) > 0 for offer in offers)
