"""A document template taken apart into the parts that can be left out or moved, and put together again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from middleware.search.document import Field, Group, parse_template

_ENCLOSING = frozenset("()<>\"'")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a template: its text, as in rerank.yml, and a name, the fields that it reads."""

    text: str
    name: str


def pieces_of(template: str) -> Sequence[Piece]:
    """The parts in their order, each with a field at least and the literal before it; what stands last, with the last.

    Raises ValueError for a template that cannot be parsed.
    """
    pieces: list[Piece] = []
    before = ""
    for part in (part for group in parse_template(template).groups for part in _split(group)):
        text = _text(part)
        if part.fields:
            pieces.append(Piece(before + text, "+".join(part.fields)))
            before = ""
        else:
            before += text
    if pieces and before:
        pieces[-1] = Piece(pieces[-1].text + before, pieces[-1].name)
    return _distinct(pieces)


def template_text(pieces: Sequence[Piece]) -> str:
    """The template of these parts in this order."""
    return "".join(piece.text for piece in pieces)


def _split(group: Group) -> Iterator[Group]:
    """A run outside of brackets field by field, each with what stands before it, but where something encloses one."""
    literals = "".join(part for part in group.parts if isinstance(part, str))
    if group.optional or _ENCLOSING & set(literals):
        yield group
        return
    run: list[str | Field] = []
    for part in group.parts:
        run.append(part)
        if isinstance(part, Field):
            yield Group(tuple(run), optional=False)
            run = []
    if run:
        yield Group(tuple(run), optional=False)


def _text(group: Group) -> str:
    inside = "".join(part if isinstance(part, str) else f"{{{part.path}}}" for part in group.parts)
    return f"[{inside}]" if group.optional else inside


def _distinct(pieces: Sequence[Piece]) -> list[Piece]:
    """The parts, with a number behind a name that was there before."""
    seen: dict[str, int] = {}
    named = []
    for piece in pieces:
        seen[piece.name] = seen.get(piece.name, 0) + 1
        count = seen[piece.name]
        named.append(piece if count == 1 else Piece(piece.text, f"{piece.name} {count}"))
    return named
