"""Names that move from version to version of a model: where each points now, and every move it made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from middleware.durable_files import write_durably
from middleware.errors import RegistryError

ALIASES_FILE = "aliases.json"
PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Move:
    """An alias was made to point at `version`. `at`: UTC, ISO 8601."""

    version: int
    at: str
    by: Literal["promote", "rollback"]


@dataclass(frozen=True, slots=True)
class Alias:
    """All moves of one alias, oldest first; at least one."""

    history: tuple[Move, ...]

    @property
    def version(self) -> int:
        """The present target."""
        return self.history[-1].version

    @property
    def since(self) -> str:
        return self.history[-1].at

    @property
    def previous(self) -> int | None:
        """Where a rollback leads; None where nothing was promoted before."""
        promoted = self._promoted()
        return promoted[-2] if len(promoted) > 1 else None

    def promoted(self, version: int, at: str) -> Alias:
        """The alias at another version; unchanged where it points there already."""
        return self if version == self.version else Alias((*self.history, Move(version, at, "promote")))

    def rolled_back(self, at: str) -> Alias:
        """The alias at its previous target. Raises RegistryError where there is none."""
        if self.previous is None:
            raise RegistryError(f"nothing was promoted before version {self.version}; promote another instead")
        return Alias((*self.history, Move(self.previous, at, "rollback")))

    def _promoted(self) -> list[int]:
        """The targets that were not rolled back, oldest first."""
        targets: list[int] = []
        for move in self.history:
            if move.by == "promote":
                targets.append(move.version)
            else:
                targets.pop()
        return targets


def read_aliases(folder: Path) -> dict[str, Alias]:
    """The aliases of a model's folder; none where nothing was promoted. Raises RegistryError for a broken file."""
    path = folder / ALIASES_FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        aliases = {name: Alias(tuple(Move(**move) for move in each["history"])) for name, each in told.items()}
        for name, alias in aliases.items():
            if alias._promoted()[-1] != alias.version or told[name]["version"] != alias.version:
                raise ValueError(f"the history of {name} does not lead to its version")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise RegistryError(f"{path}: not usable ({why}); mend it, or remove it and promote anew") from error
    return aliases


def write_aliases(folder: Path, aliases: Mapping[str, Alias]) -> None:
    """All or nothing. Raises OSError."""
    told = {
        name: {"version": alias.version, "since": alias.since, "history": [asdict(move) for move in alias.history]}
        for name, alias in sorted(aliases.items())
    }
    write_durably(folder / ALIASES_FILE, json.dumps(told, indent=2) + "\n")
