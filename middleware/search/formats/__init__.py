"""TEMPORARY stand-in for the formats branch: JSON only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from middleware.search.json_text import Unreadable, load_strict


class Format(StrEnum):
    JSON = "json"
    YAML = "yaml"
    CBOR = "cbor"
    SMILE = "smile"


@dataclass(frozen=True, slots=True)
class MediaType:
    format: Format
    stream: bool = False
    compatible_with: str | None = None
    vendor: bool = False


def read_media_type(value: str) -> MediaType | None:
    kind = value.partition(";")[0].strip().lower()
    compatible = value.rpartition("compatible-with=")[2] if "compatible-with" in value else None
    if kind in (
        "application/json",
        "application/x-ndjson",
        "application/vnd.elasticsearch+json",
        "application/vnd.elasticsearch+x-ndjson",
        "application/*",
        "*/*",
    ):
        return MediaType(Format.JSON, "ndjson" in kind, compatible, "vnd" in kind)
    return None


def answer_format(accept: str | None, format_parameter: str | None, request_type: MediaType | None) -> Format | None:
    if (format_parameter or "json") != "json" or (accept and read_media_type(accept.partition(",")[0]) is None):
        return None
    return Format.JSON


def decode_body(data: bytes, format: Format) -> Any:
    return load_strict(data)


def read_text(data: bytes, format: Format) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(str(error)) from error


def write_text(text: str, format: Format, *, pretty: bool = False) -> bytes:
    return text.encode()


def spell_score(value: float, format: Format) -> str:
    return repr(float(value))


def split_stream(data: bytes, format: Format) -> list[bytes]:
    lines = data.split(b"\n")
    return lines[:-1] if not lines[-1] else lines
