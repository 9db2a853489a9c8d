"""The tables of the README, made from the code that they describe, so that neither can go without the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from middleware.config import Settings
from middleware.features.table import features_table
from middleware.search.reasons import Reason


def settings_table() -> str:
    """Every key of rerank.yml with its default and meaning, as a Markdown table."""
    rows = [f"| `{key}` | {default} | {meaning} |" for key, default, meaning in _rows(Settings, "")]
    return "\n".join(("| key | default | meaning |", "|---|---|---|", *rows))


def reasons_table() -> str:
    """Every value of the reason header, as a Markdown table."""
    rows = [f"| `{reason.value}` | {reason.meaning} |" for reason in Reason]
    return "\n".join(("| reason | why |", "|---|---|", *rows))


def _rows(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, field in section.model_fields.items():
        key = f"{prefix}{name}"
        inner = _section_of(field.annotation)
        named = get_origin(field.annotation) is not None and not _is_union(field.annotation)
        if inner is None or _is_union(field.annotation):
            yield key, _default(field), field.description or ""
        if inner is not None:
            yield from _rows(inner, f"{key}.NAME." if named else f"{key}.")


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The section behind an annotation: itself, the values of a mapping of sections, or one that may be left out."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)), None)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    value = field.default
    if value is None or value == () or value == {}:
        return "none"
    if isinstance(value, tuple):
        value = ", ".join(str(part) for part in value)
    if isinstance(value, dict):
        value = ", ".join(f"{key}: {part:g}" for key, part in value.items())
    return f"`{str(value).replace('|', chr(92) + '|')}`"


def update(text: str) -> str:
    """The README's text with every table made anew between its markers, where it has them."""
    tables = {"reasons": reasons_table(), "features": features_table(), "settings": settings_table()}
    for marker, table in tables.items():
        before, opening, rest = text.partition(f"<!-- {marker} -->")
        if not opening:
            continue
        _, closing, after = rest.partition(f"<!-- /{marker} -->")
        text = f"{before}{opening}\n{table}\n{closing}{after}"
    return text


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    readme.write_text(update(readme.read_text(encoding="utf-8")), encoding="utf-8")
