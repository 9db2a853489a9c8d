"""Two registered models side by side: what each measured, and what they were made of otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from middleware.registry.manifest import HELD_OUT, Manifest

_NOISE = 1e-9
_OF_EVERY_VERSION = {"name", "version", "measures", "made_at", "made_with", "files", "content_hash", "kind"}


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of both; None where it was not taken."""

    name: str
    before: float | None
    after: float | None

    @property
    def difference(self) -> float | None:
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True, slots=True)
class Comparison:
    """`before` and `after`; `differences`: what of base, data, template, max_tokens and recipe is not the same.

    The keys of `differences` are dotted paths; None stands for what one of them lacks. `same_data`: the measures were
    taken on the same held-out data, so that they can be compared.
    """

    before: Manifest
    after: Manifest
    measures: tuple[Measured, ...]
    differences: Mapping[str, tuple[Any, Any]]
    same_data: bool

    @property
    def worse(self) -> tuple[Measured, ...]:
        """The measures by which `after` is worse, where they can be compared."""
        if not self.same_data:
            return ()
        return tuple(each for each in self.measures if (each.difference or 0.0) < -_NOISE)


def compare(before: Manifest, after: Manifest) -> Comparison:
    """The comparison of two versions, of one model or of two."""
    names = dict.fromkeys((*before.measures, *after.measures))
    measures = tuple(Measured(name, before.measures.get(name), after.measures.get(name)) for name in names)
    left, right = (_flat(_made_of(manifest)) for manifest in (before, after))
    paths = sorted(path for path in {*left, *right} if left.get(path) != right.get(path))
    differences = {path: (left.get(path), right.get(path)) for path in paths}
    return Comparison(before, after, measures, differences, _same_data(before, after))


def _made_of(manifest: Manifest) -> dict[str, Any]:
    return {name: value for name, value in asdict(manifest).items() if name not in _OF_EVERY_VERSION}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> value, of everything in nested mappings."""
    if not isinstance(value, Mapping):
        return {path: value}
    parts: dict[str, Any] = {}
    for key, inner in value.items():
        parts |= _flat(inner, f"{path}.{key}" if path else str(key))
    return parts


def _same_data(before: Manifest, after: Manifest) -> bool:
    """The same held-out data; where neither says which part that was, the same data altogether."""
    held_out = before.data.get(HELD_OUT), after.data.get(HELD_OUT)
    if held_out == (None, None):
        return bool(before.data) and before.data == after.data
    return held_out[0] == held_out[1]
