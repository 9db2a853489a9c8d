"""The model registry: versions of trained models in folders, and aliases that say which of them is served.

`<registry>/<name>/<version>/` holds a model's files and its manifest; `<registry>/<name>/aliases.json` where each alias
points. Every change is one rename, under the lock `<registry>/<name>/.lock`: readers need none.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from middleware.durable_files import flush, flush_tree, locked, remove_abandoned, unfinished_beside
from middleware.errors import RegistryError
from middleware.registry.aliases import ALIASES_FILE, PRODUCTION, Alias, Move, read_aliases, write_aliases
from middleware.registry.comparison import Comparison, compare
from middleware.registry.manifest import (
    FUSION_FILE,
    KINDS,
    MANIFEST_FILE,
    DataFingerprint,
    Kind,
    Manifest,
    copy_content,
    find_damage,
    hash_content,
    hash_files,
    now,
    own_revision,
    read_manifest,
)
from middleware.registry.reference import Reference, checked_name, parse_reference

_LOCK = ".lock"
Stamp = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A version as it is listed: `manifest` is None where it cannot be read; `aliases` point at it now."""

    name: str
    version: int
    manifest: Manifest | None
    aliases: tuple[str, ...]


class Registry:
    """The models in one folder, which need not be there before the first is added. Any process may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser()

    def add(
        self,
        folder: Path,
        *,
        name: str,
        kind: Kind,
        base: str | None,
        data: Mapping[str, DataFingerprint],
        template: str | None,
        max_tokens: int | None,
        measures: Mapping[str, float],
        recipe: Mapping[str, Any],
    ) -> Manifest:
        """A copy of the model in `folder` as the next version of `name`, all of it or nothing; see Manifest.

        Raises RegistryError for a folder, name or measure that is none, or a kind other than that of its versions.
        """
        source = folder.expanduser()
        self._check_new(source, checked_name(name, "a model"), kind, measures)
        home = self.folder / name
        home.mkdir(parents=True, exist_ok=True)
        unfinished = unfinished_beside(home / "version")
        try:
            copy_content(source, unfinished)
            files = hash_files(unfinished)
            with locked(home / _LOCK):
                version = self._next_version(name)
                about = (name, version, kind, base, dict(data), template, max_tokens, dict(measures), dict(recipe))
                manifest = Manifest(*about, now(), own_revision(), files, hash_content(files))
                (unfinished / MANIFEST_FILE).write_text(manifest.to_json(), encoding="utf-8")
                flush_tree(unfinished)
                unfinished.rename(home / str(version))
                flush(home)
        except OSError as error:
            raise RegistryError(f"{source}: cannot be added to {home}: {error}") from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            remove_abandoned(home)
        return manifest

    def find(self, reference: str) -> Reference:
        """The version that `NAME`, `NAME@ALIAS` or `NAME@VERSION` is now (`registry:` may stand before it).

        Raises RegistryError, which says what there is and how to get what is missing.
        """
        wanted = parse_reference(reference)
        versions = self.versions(wanted.name)
        if not versions:
            there = ", ".join(self.names()) or "nothing yet; es-rerank models add"
            raise RegistryError(f"{wanted.name}: no such model in {self.folder} (there: {there})")
        version = wanted.version
        if wanted.alias is not None:
            aliases = read_aliases(self.folder / wanted.name)
            if wanted.alias not in aliases:
                raise RegistryError(
                    f"{wanted.name}: no alias {wanted.alias} (there: {_shown(aliases) or 'none'}; versions: "
                    f"{_shown(versions)}); es-rerank models promote {wanted.name} VERSION --alias {wanted.alias}"
                )
            version = aliases[wanted.alias].version
        if version not in versions:
            raise RegistryError(f"{wanted}: no version {version} (there: {_shown(versions)}); name one of these")
        return Reference(wanted.name, None, version)

    def resolve(self, reference: str, *, kinds: Sequence[str] = KINDS) -> Path:
        """The folder of the version that a reference names now.

        Raises RegistryError, see `find`, or where the manifest cannot be read or is of a kind other than `kinds`.
        """
        found = self.find(reference)
        folder = self._path(found)
        kind = read_manifest(folder).kind
        if kind not in kinds:
            raise RegistryError(f"{found} is a {kind}; give a {' or '.join(kinds)}")
        return folder

    def manifest(self, reference: str) -> Manifest:
        """What `resolve` found. Raises RegistryError, see there."""
        return read_manifest(self.resolve(reference))

    def check(self, reference: str) -> list[str]:
        """How a version's files differ from what was added, one phrase each. Raises RegistryError as `manifest`."""
        folder = self.resolve(reference)
        return find_damage(folder, read_manifest(folder))

    def names(self) -> Sequence[str]:
        """Models that have a version, by name."""
        homes = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [home.name for home in homes if self.versions(home.name)]

    def versions(self, name: str) -> Sequence[int]:
        """The versions of a model, oldest first."""
        home = self.folder / name
        found = [path.name for path in home.iterdir() if path.is_dir()] if home.is_dir() else []
        return sorted(int(each) for each in found if each.isdecimal() and str(int(each)) == each)

    def list(self) -> Sequence[Entry]:
        """Every version of every model. Raises RegistryError for aliases that cannot be read."""
        entries = []
        for name in self.names():
            aliases = self.aliases(name)
            for version in self.versions(name):
                pointing = tuple(sorted(each for each, alias in aliases.items() if alias.version == version))
                entries.append(Entry(name, version, self._manifest_or_none(name, version), pointing))
        return entries

    def aliases(self, name: str) -> Mapping[str, Alias]:
        """Where the aliases of a model point, and their history. Raises RegistryError where that cannot be read."""
        return read_aliases(self.folder / name)

    def promote(self, name: str, version: int, alias: str = PRODUCTION) -> Alias:
        """Let `alias` point at `version`. Raises RegistryError where that is not there, or not what was added."""
        checked_name(alias, "an alias")
        self._check_whole(self.find(f"{name}@{version}"))
        home = self.folder / name
        with locked(home / _LOCK):
            aliases = read_aliases(home)
            present = aliases.get(alias)
            first = Alias((Move(version, now(), "promote"),))
            aliases[alias] = first if present is None else present.promoted(version, now())
            if aliases[alias] != present:
                write_aliases(home, aliases)
        return aliases[alias]

    def rollback(self, name: str, alias: str = PRODUCTION) -> Alias:
        """Let `alias` point at its previous target; once more: at the one before that.

        Raises RegistryError where there is no such alias, nothing before, or that is not what was added.
        """
        self.find(f"{name}@{alias}")
        home = self.folder / name
        with locked(home / _LOCK):
            aliases = read_aliases(home)
            try:
                aliases[alias] = aliases[alias].rolled_back(now())
            except RegistryError as error:
                raise RegistryError(f"{name}@{alias}: {error}") from error
            self._check_whole(self.find(f"{name}@{aliases[alias].version}"))
            write_aliases(home, aliases)
        return aliases[alias]

    def compare(self, before: str, after: str) -> Comparison:
        """Two references side by side. Raises RegistryError as `manifest`."""
        return compare(self.manifest(before), self.manifest(after))

    def stamp(self, name: str) -> Stamp:
        """Changes whenever an alias of the model moves; one look at a file's times, no reading."""
        try:
            told = (self.folder / name / ALIASES_FILE).stat()
        except OSError:
            return None
        return told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns

    def _path(self, found: Reference) -> Path:
        return self.folder / found.name / str(found.version)

    def _manifest_or_none(self, name: str, version: int) -> Manifest | None:
        try:
            return read_manifest(self.folder / name / str(version))
        except RegistryError:
            return None

    def _check_whole(self, found: Reference) -> None:
        damage = find_damage(self._path(found), read_manifest(self._path(found)))
        if damage:
            more = f" and {len(damage) - 1} more" if len(damage) > 1 else ""
            raise RegistryError(f"{found}: not what was added: {damage[0]}{more}; add the model anew as a new version")

    def _check_new(self, source: Path, name: str, kind: str, measures: Mapping[str, float]) -> None:
        if kind not in KINDS:
            raise RegistryError(f"{kind}: no kind of model; give one of {', '.join(KINDS)}")
        needed = (FUSION_FILE,) if kind == "fusion" else ("config.json", "*.safetensors")
        missing = [pattern for pattern in needed if not source.is_dir() or not any(source.glob(pattern))]
        if missing:
            raise RegistryError(f"{source}: no {missing[0]} there; give the folder of a {kind.replace('_', '-')}")
        for measure, value in measures.items():
            if not math.isfinite(value):
                raise RegistryError(f"{measure} is {value}: no measure; leave it out")
        kinds = {each.kind for version in self.versions(name) if (each := self._manifest_or_none(name, version))}
        if kinds - {kind}:
            raise RegistryError(
                f"{name} is a {kinds.pop()}: its versions are of one kind; give this {kind} its own name"
            )

    def _next_version(self, name: str) -> int:
        """One more than any there is or was pointed at, so that a removed version's number never means another."""
        moves = [move.version for alias in self.aliases(name).values() for move in alias.history]
        return max((*self.versions(name), *moves), default=0) + 1


def _shown(values: Mapping[str, Any] | Sequence[int]) -> str:
    return ", ".join(map(str, values))
