"""How a registered model is named: NAME, NAME@ALIAS or NAME@VERSION, in rerank.yml with `registry:` before it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from middleware.errors import RegistryError
from middleware.registry.aliases import PRODUCTION

PREFIX = "registry:"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A model and which of its versions: one of `version` and `alias` is there."""

    name: str
    alias: str | None
    version: int | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.alias or self.version}"


def is_reference(source: str) -> bool:
    """Whether a `source` of rerank.yml names a registered model."""
    return source.startswith(PREFIX)


def parse_reference(text: str) -> Reference:
    """Without an alias or a version: PRODUCTION. Raises RegistryError."""
    found = re.fullmatch(rf"({_NAME})(?:@({_NAME}))?", text.removeprefix(PREFIX))
    if found is None:
        raise RegistryError(f"{text}: write NAME, NAME@ALIAS or NAME@VERSION, of letters, digits, '.', '_' and '-'")
    name, which = found[1], found[2] or PRODUCTION
    if which.isdecimal():
        return Reference(name, None, int(which))
    return Reference(name, which)


def checked_name(name: str, what: str) -> str:
    """A name for a model or an alias. Raises RegistryError; digits alone would be a version."""
    if not re.fullmatch(_NAME, name) or name.isdecimal():
        raise RegistryError(
            f"{name!r}: the name of {what} has letters, digits, '.', '_' and '-', and is not a number; give another"
        )
    return name
