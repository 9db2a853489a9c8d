"""Which section of `indices` speaks for a search and for each of its hits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from middleware.config import IndexSettings

_EVERYTHING = ("_all", "*")


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections a search may touch; `fixed` where the request alone decides for every hit."""

    candidates: tuple[tuple[str, IndexSettings], ...]
    fixed: IndexSettings | None

    def of_hit(self, index: str) -> IndexSettings | None:
        """The section for a hit of the concrete index `index`; None where no pattern covers it."""
        if self.fixed is not None:
            return self.fixed
        return next((section for name, section in self.candidates if _covers(name, section, index)), None)


def find_sections(indices: tuple[str, ...], configured: Mapping[str, IndexSettings]) -> Sections | None:
    """Sections for a search on the parts of an index expression (none: every index); None: not for us.

    An index that is named and not configured takes the whole search out: its hits would have no document text.
    """
    parts = [part for part in indices if not part.startswith("-")]
    if not parts or any(part in _EVERYTHING for part in parts):
        return Sections(tuple(configured.items()), None) if configured else None
    candidates: dict[str, IndexSettings] = {}
    for part in parts:
        found = {name: section for name, section in configured.items() if _may_mean(name, section, part)}
        if not found:
            return None
        candidates |= found if "*" in part else dict([next(iter(found.items()))])
    exact = not any("*" in part for part in parts) and len(candidates) == 1
    return Sections(tuple(candidates.items()), next(iter(candidates.values())) if exact else None)


def _patterns(name: str, section: IndexSettings) -> tuple[str, ...]:
    return section.patterns or (name, f"{name}-*")


def _covers(name: str, section: IndexSettings, index: str) -> bool:
    return any(fnmatchcase(index, pattern) for pattern in _patterns(name, section))


def _may_mean(name: str, section: IndexSettings, part: str) -> bool:
    if _covers(name, section, part):
        return True
    return "*" in part and any(fnmatchcase(pattern.replace("*", ""), part) for pattern in _patterns(name, section))
