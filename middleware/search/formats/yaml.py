"""YAML read as JSON text, as Jackson reads it, since Elasticsearch and OpenSearch take and give it; see yaml_writer."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import yaml

from middleware.search.formats.literals import spell_bytes, spell_double, spell_integer
from middleware.search.formats.text import MAX_DEPTH, TextBuilder, quote
from middleware.search.formats.yaml_writer import write
from middleware.search.json_text import Unreadable

__all__ = ["is_ambiguous", "read", "write"]

_MAX_BYTES_IN_PYTHON = 1 << 17
_DIRECTIVE = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n])%")
# line breaks in YAML 1.1 only, where OpenSearch writes them as they are
_RAW_SEPARATOR = re.compile(b"\xe2\x80[\xa8\xa9]")
_ESCAPED_SEPARATORS = ((b"\xe2\x80\xa8", rb"\L"), (b"\xe2\x80\xa9", rb"\P"))
_BREAK_OF_OLD = re.compile(b"\xe2\x80[\xa8\xa9]|\xc2\x85")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
# what Elasticsearch 7.17 (YAML 1.1) and OpenSearch 3.8 (YAML 1.2) read differently
_AMBIGUOUS = re.compile(
    r"[-+]?(?:0[bBoOxX].*|0[0-9]+|\.?[0-9][0-9.]*_[0-9_.eE+-]*|[0-9]+(?::[0-5]?[0-9])+\.[0-9_]*"
    r"|\.(?:inf|Inf|INF|nan|NaN|NAN))"
)
_MAX_DIGITS = 1_000
_WORDS = {
    "": "null", "~": "null", "null": "null", "Null": "null", "NULL": "null",
    "Infinity": "1e999", "-Infinity": "-1e999", "NaN": "0e999", ".inf": "1E999", "-.inf": "-1E999", ".nan": "0E999",
} | {
    form: literal
    for literal, words in (("true", ("true", "yes", "on")), ("false", ("false", "no", "off")))
    for word in words
    for form in (word, word.capitalize(), word.upper())
}  # fmt: skip
_CORE_TAG = "tag:yaml.org,2002:"


def read(data: bytes) -> str:
    """JSON text of one YAML document. Raises Unreadable; also for what the engines' versions read differently.

    Aliases are the strings that name them, as Jackson has it; tags other than `!!str` and `!!binary`, and directives,
    are refused.
    """
    if _DIRECTIVE.search(data):
        raise Unreadable("a YAML directive")
    has_raw_separators = bool(_RAW_SEPARATOR.search(data))
    if has_raw_separators:
        for separator, escape in _ESCAPED_SEPARATORS:
            data = data.replace(separator, escape)
    build = TextBuilder()
    try:
        _build(_events(data), build)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Unreadable(f"no YAML: {error}") from error
    text = build.text()
    if not has_raw_separators:
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text


def is_ambiguous(data: bytes) -> bool:
    """Whether there are characters in the document that are line breaks in YAML 1.1 and none in 1.2."""
    return bool(_BREAK_OF_OLD.search(data))


def _events(data: bytes) -> Iterator[Any]:
    """Parser events: from libyaml, or from PyYAML's own parser for escaped halves of surrogate pairs or without it."""
    needs_python = not yaml.__with_libyaml__ or _SURROGATE_ESCAPE.search(data)
    if needs_python and len(data) > _MAX_BYTES_IN_PYTHON:
        raise Unreadable("too long for the slow parser")
    events: Iterator[Any] = yaml.parse(data.decode(), Loader=yaml.SafeLoader if needs_python else yaml.CSafeLoader)
    return events


def _build(events: Iterator[Any], build: TextBuilder) -> None:
    """One document into text; `names` says of each open collection whether a name is due, None in a sequence."""
    due: list[bool | None] = []
    documents = 0
    for event in events:
        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            if due and due[-1]:
                build.name(_name(event))
                due[-1] = False
                continue
            build.literal(_value(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.tag or len(due) >= MAX_DEPTH or (due and due[-1]):
                raise Unreadable("a collection that JSON cannot have")
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            build.begin("{" if is_mapping else "[")
            due.append(True if is_mapping else None)
            continue
        elif isinstance(event, yaml.CollectionEndEvent):
            build.end()
            due.pop()
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise Unreadable("more than one YAML document")
        if due and due[-1] is False:
            due[-1] = True
    if not documents:
        raise Unreadable("no YAML document")


def _name(event: Any) -> str:
    if isinstance(event, yaml.AliasEvent):
        raise Unreadable("an alias as a name")
    return str(event.value)


def _value(event: Any) -> str:
    if isinstance(event, yaml.AliasEvent):
        return quote(str(event.anchor))
    if event.tag == f"{_CORE_TAG}binary":
        return f'"{spell_bytes(base64.b64decode("".join(event.value.split()), validate=True))}"'
    if event.tag and event.tag not in ("!", f"{_CORE_TAG}str"):
        raise Unreadable(f"the tag {event.tag}")
    is_plain = event.implicit[0] and not event.tag
    return _plain(event.value) if is_plain else quote(event.value)


def _plain(value: str) -> str:
    """The literal of a scalar without quotes: numbers of JSON as they stand, or else what the word means."""
    if value in _WORDS:
        return _WORDS[value]
    if len(value) > _MAX_DIGITS:
        return quote(value)
    if _JSON_NUMBER.fullmatch(value):
        return value
    if re.fullmatch(r"\+(?:0|[1-9][0-9]*)", value):
        return spell_integer(int(value))
    if re.fullmatch("0[0-7]+", value):
        return spell_integer(int(value, 8))
    if re.fullmatch("0x[0-9a-fA-F]+", value):
        return spell_integer(int(value, 16))
    if _FLOAT.fullmatch(value):
        return spell_double(float(value))
    if _AMBIGUOUS.fullmatch(value):
        raise Unreadable(f"{value} is not the same to all engines")
    return quote(value)
