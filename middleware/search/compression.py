"""TEMPORARY stand-in."""

from middleware.search.json_text import Unreadable


def decompress(data: bytes, content_encoding: str, max_bytes: int) -> bytes:
    if content_encoding != "identity":
        raise Unreadable("x")
    return data


def compress(data: bytes, coding: str) -> bytes:
    return data


def accepted(accept_encoding: str) -> str:
    return "identity"
