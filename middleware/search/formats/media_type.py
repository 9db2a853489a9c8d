"""Media types as Elasticsearch and OpenSearch read them, and the format they answer in, by their own precedence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """A format of requests and answers; values as in the `format` parameter."""

    JSON = "json"
    YAML = "yaml"
    CBOR = "cbor"
    SMILE = "smile"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type that Elasticsearch takes; `compatible_with` is the version that a vendor type names."""

    format: Format
    stream: bool = False
    compatible_with: str | None = None
    vendor: bool = False


_FORMATS = {format.value: format for format in Format}
_STREAM = "x-ndjson"
_VENDOR = "vnd.elasticsearch+"
_OPENSEARCH_VENDOR = "vnd.opensearch+"
_TYPE = re.compile(r"([\w!#$%&'*+\-.^`|~\[\]\\]+)/([\w!#$%&'*+\-.^`|~\[\]\\]+)", re.ASCII)
_BEFORE_PARAMETER = re.compile(r"\s*;")
_VERSIONS = ("7", "8", "9")


def read_media_type(value: str) -> MediaType | None:
    """A Content-Type that every supported Elasticsearch takes, or None; vendor types are unknown to OpenSearch."""
    parsed = _parse(value)
    if parsed is None:
        return None
    subtype, parameters = parsed
    vendor = subtype.startswith(_VENDOR)
    known = _format_of(subtype.removeprefix(_VENDOR))
    version = parameters.get("compatible-with") if vendor else None
    if known is None or parameters.get("charset", "utf-8") != "utf-8" or version not in (None, *_VERSIONS):
        return None
    return MediaType(known, subtype.endswith(_STREAM), version, vendor)


def answer_format(
    accept: str | None, format_parameter: str | None, request_type: MediaType | None, *, opensearch: bool = False
) -> Format | None:
    """The format in which the cluster answers; None where it refuses or versions differ: 7.17 from 8 and 9.

    `accept` and `format_parameter` are as the client sent them (None: not at all), `request_type` that of a body with
    one. A parameter that names a format comes first, then `Accept` if it is exactly one known media type (lists and
    ranges count as nothing), then the request's format, then JSON.
    """
    fallback = request_type.format if request_type else Format.JSON
    if opensearch:
        return _by_name(format_parameter) or _opensearch_accept(accept) or fallback
    in_7 = _in_7(accept, format_parameter) or fallback
    if not _by_name(format_parameter) and _refused_by_8(accept):
        return None
    in_8 = _by_name(format_parameter) or _accept_of_8(accept) or fallback
    return in_8 if in_7 is in_8 else None


def _in_7(accept: str | None, format_parameter: str | None) -> Format | None:
    """7.17 takes the parameter, whatever it says, in place of `Accept`; either is a name or a type, but no stream."""
    value = (accept if format_parameter is None else format_parameter) or ""
    if named := _by_name(value):
        return named
    kind, _, subtype = value.lower().partition(";")[0].partition("/")
    if kind == "application" and subtype == "*":
        return Format.JSON
    return _FORMATS.get(subtype.removeprefix(_VENDOR)) if kind == "application" else None


def _refused_by_8(accept: str | None) -> bool:
    return accept is not None and not _is_ignored(accept) and _split(accept) is None


def _accept_of_8(accept: str | None) -> Format | None:
    known = read_media_type(accept) if accept and not _is_ignored(accept) else None
    return known.format if known else None


def _is_ignored(accept: str) -> bool:
    return "," in accept or accept.strip() == "*/*"


def _opensearch_accept(accept: str | None) -> Format | None:
    kind, *parameters = (accept or "").lower().split(";")
    while parameters and not parameters[-1]:
        parameters.pop()
    for parameter in parameters:
        name_and_value = parameter.strip().split("=")
        if len(name_and_value) != 2 or any(part != part.strip() for part in name_and_value):
            return None
    major, _, subtype = kind.strip().partition("/")
    if major != "application":
        return None
    return Format.JSON if subtype == "*" else _format_of(subtype.removeprefix(_OPENSEARCH_VENDOR))


def _by_name(name: str | None) -> Format | None:
    return _FORMATS.get((name or "").lower())


def _format_of(subtype: str) -> Format | None:
    return Format.JSON if subtype == _STREAM else _FORMATS.get(subtype)


def _parse(value: str) -> tuple[str, dict[str, str]] | None:
    """(subtype, parameters) of an `application/` type."""
    parsed = _split(value)
    return parsed[1:] if parsed and parsed[0] == "application" and "," not in value else None


def _split(value: str) -> tuple[str, str, dict[str, str]] | None:
    """Type, subtype and parameters, all in lower case; None where Elasticsearch 8 calls the header invalid."""
    first, *rest = _BEFORE_PARAMETER.split(value.strip().lower())
    match = _TYPE.fullmatch(first)
    if match is None:
        return None
    parameters = {}
    for parameter in filter(None, map(str.strip, rest)):
        name, *values = parameter.split("=")
        if len(values) != 1 or not name or not values[0] or name != name.rstrip() or values[0] != values[0].lstrip():
            return None
        parameters[name] = values[0]
    return match[1], match[2], parameters
