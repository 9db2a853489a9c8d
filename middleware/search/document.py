"""The document text of a hit: a template filled from its fields, whatever is nested, multi-valued or missing."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from middleware.search.field_patterns import is_pattern, read_matching
from middleware.search.json_text import replace_lone_surrogates

_TOKEN = re.compile(r"(\{[^{}\[\]]*\}|[\[\]{}])")
_VALUE_SEPARATOR = " "


@dataclass(frozen=True, slots=True)
class Group:
    """A run of literals (str) and fields; an optional one vanishes where all its fields are missing."""

    parts: tuple[str | Field, ...]
    optional: bool
    fields: tuple[str, ...] = dataclasses.field(init=False)
    """Paths of the fields it reads."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(part.path for part in self.parts if isinstance(part, Field)))

    def render(self, texts: Mapping[str, str]) -> str:
        """Its text; `texts`: field path -> text, empty where the field is missing."""
        if self.optional and not any(map(texts.__getitem__, self.fields)):
            return ""
        return "".join([part if isinstance(part, str) else texts[part.path] for part in self.parts])


@dataclass(frozen=True, slots=True)
class Field:
    """A placeholder: the dotted path of a document field."""

    path: str


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template such as `{title}[ | {brand}]`."""

    groups: tuple[Group, ...]
    fields: tuple[str, ...] = dataclasses.field(init=False)
    """Paths of the fields it reads, each once, in order."""

    def __post_init__(self) -> None:
        paths = (path for group in self.groups for path in group.fields)
        object.__setattr__(self, "fields", tuple(dict.fromkeys(paths)))

    def render(self, values: Mapping[str, Sequence[Any]], max_field_chars: int) -> str:
        """The document text; empty where no field has a value. `values`: field path -> its values in this hit."""
        texts = {path: _text(values.get(path, ()), max_field_chars) for path in self.fields}
        if not any(texts.values()):
            return ""
        rendered = "".join([group.render(texts) for group in self.groups])
        return replace_lone_surrogates(" ".join(rendered.split()))

    def render_document(self, document: Any, max_field_chars: int) -> str:
        """As `render`, of a whole document, such as a hit's `_source`."""
        return self.render({path: read_values(document, path) for path in self.fields}, max_field_chars)


def _text(values: Sequence[Any], max_chars: int) -> str:
    texts = [value if isinstance(value, str) else _scalar_text(value) for value in values]
    return _VALUE_SEPARATOR.join(texts)[:max_chars].strip()


def _scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@lru_cache(maxsize=256)
def parse_template(text: str) -> Template:
    """Parse a document template: `{a.b}` is a field, `[...]` an optional group; groups do not nest.

    Raises ValueError saying what is wrong.
    """
    groups: list[Group] = []
    parts: list[str | Field] = []
    inside = False
    for token in filter(None, _TOKEN.split(text)):
        if token in ("[", "]"):
            if inside == (token == "["):
                raise ValueError(f"template {text!r}: brackets must pair and do not nest")
            groups.append(Group(tuple(parts), optional=inside))
            parts, inside = [], not inside
        elif token in ("{", "}") or token == "{}":
            raise ValueError(f"template {text!r}: write a field as {{name}}")
        else:
            parts.append(Field(token[1:-1].strip()) if token.startswith("{") else token)
    if inside:
        raise ValueError(f"template {text!r}: a '[' is not closed")
    template = Template(tuple(group for group in (*groups, Group(tuple(parts), optional=False)) if group.parts))
    if not template.fields:
        raise ValueError(f"template {text!r}: names no field; write one as {{title}}")
    return template


def template_of(fields: Sequence[str]) -> Template | None:
    """The plain template of some fields, one after the other; None for none."""
    parts: list[str | Field] = []
    for field in fields:
        parts += [Field(field), " "]
    return Template((Group(tuple(parts), optional=False),)) if parts else None


def read_values(document: Any, path: str) -> list[Any]:
    """Scalar values at a dotted path of a `_source` or of a hit's `fields`, through objects, arrays and dotted keys.

    Of a pattern those of all fields that match.
    """
    if is_pattern(path):
        return read_matching(document, path)
    if isinstance(document, dict) and "." not in path:
        value = document.get(path)
        if value is None:
            return []
        if isinstance(value, str):
            return [value]
    found: list[Any] = []
    _collect(document, path, found)
    return found


def _collect(node: Any, path: str, found: list[Any]) -> None:
    if isinstance(node, list):
        for element in node:
            _collect(element, path, found)
    elif not path:
        if node is not None and not isinstance(node, dict):
            found.append(node)
    elif isinstance(node, dict) and "." not in path:
        if path in node:
            _collect(node[path], "", found)
    elif isinstance(node, dict):
        for key, child in node.items():
            if key == path:
                _collect(child, "", found)
            elif path.startswith(f"{key}."):
                _collect(child, path[len(key) + 1 :], found)
