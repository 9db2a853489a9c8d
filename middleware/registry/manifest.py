"""What a registered model is, in one readable file beside its own: what made it, what it read, how good it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from middleware import __version__
from middleware.errors import RegistryError
from middleware.rerank.file_digest import file_digest

MANIFEST_FILE = "manifest.json"
FUSION_FILE = "fusion.json"
HELD_OUT = "held_out"
"""The source among the data on which the measures were taken."""
MAIN_MEASURE = "nDCG@10"

Kind = Literal["cross_encoder", "bi_encoder", "fusion"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class DataFingerprint:
    """What tells one set of data from another: how many items (queries, judgments, groups), SHA-256 of their bytes."""

    count: int
    sha256: str

    @classmethod
    def of_file(cls, path: Path) -> DataFingerprint:
        """Of a file of lines; those with nothing on them do not count. Raises OSError."""
        with path.open("rb") as file:
            count = sum(1 for line in file if line.strip())
        return cls(count, file_digest(path).hex())


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of one model.

    `data`: source -> fingerprint, of all that it learned from; HELD_OUT is what it was measured on. `measures`: name ->
    value, the higher the better, each on held-out data. `template` and `max_tokens`: the document text that it was
    trained on, None where it reads none. `recipe`: how it was trained, JSON values. `made_at`: UTC, ISO 8601.
    `made_with`: the git revision of es-rerank, or its version where it runs from a package. `files`: path within the
    folder -> SHA-256; `content_hash`: one SHA-256 of all of them.
    """

    name: str
    version: int
    kind: Kind
    base: str | None
    data: Mapping[str, DataFingerprint]
    template: str | None
    max_tokens: int | None
    measures: Mapping[str, float]
    recipe: Mapping[str, Any]
    made_at: str
    made_with: str
    files: Mapping[str, str]
    content_hash: str

    @property
    def label(self) -> str:
        """What clients and people see of it: NAME@VERSION."""
        return f"{self.name}@{self.version}"

    @property
    def main_measure(self) -> tuple[str, float] | None:
        """MAIN_MEASURE, however it is spelt, else the first one; None where nothing was measured."""
        named = [each for each in self.measures.items() if each[0].lower() == MAIN_MEASURE.lower()]
        return next(iter(named or self.measures.items()), None)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, default=str) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a version's folder. Raises RegistryError where it is missing or not one of ours."""
    path = folder / MANIFEST_FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        told["data"] = {source: DataFingerprint(**each) for source, each in told["data"].items()}
        manifest = Manifest(**{each.name: told[each.name] for each in fields(Manifest)})
        if not (type(manifest.version) is int and manifest.kind in KINDS and isinstance(manifest.files, dict)):
            raise ValueError("its version, kind or files are none")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise RegistryError(f"{path}: no usable manifest ({why}); add the model anew") from error
    return manifest


def find_manifest(folder: Path) -> Manifest | None:
    """The manifest of a model's folder; None where it is no registered model."""
    if not (folder / MANIFEST_FILE).is_file():
        return None
    try:
        return read_manifest(folder)
    except RegistryError:
        return None  # other tools write files of this name, too


def content_files(folder: Path) -> Iterator[Path]:
    """The files of a model: all but the manifest and what is hidden."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and inside.as_posix() != MANIFEST_FILE and not any(part[0] == "." for part in inside.parts):
            yield path


def copy_content(source: Path, target: Path) -> None:
    """The files of a model into a new folder, links followed: a hub's cache has nothing else. Raises OSError."""
    target.mkdir()
    for path in content_files(source):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def hash_files(folder: Path) -> dict[str, str]:
    """Path within the folder -> SHA-256 in hex."""
    return {path.relative_to(folder).as_posix(): file_digest(path).hex() for path in content_files(folder)}


def hash_content(files: Mapping[str, str]) -> str:
    """One SHA-256, in hex, of the names and hashes of files."""
    lines = "".join(f"{name}\0{files[name]}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def find_damage(folder: Path, manifest: Manifest, *, additions: bool = True) -> list[str]:
    """How the files differ from what was added, one phrase for each; empty where they are the same bytes.

    Without `additions`, files that were put beside them do not count.
    """
    try:
        found = hash_files(folder)
    except OSError as error:
        return [f"cannot be read: {error}"]
    damage = [f"{name} is missing" for name in manifest.files if name not in found]
    damage += [f"{name} was changed" for name, digest in manifest.files.items() if found.get(name, digest) != digest]
    if hash_content(manifest.files) != manifest.content_hash:
        damage.append(f"{MANIFEST_FILE} was changed")
    return damage + [f"{name} was put there" for name in found if additions and name not in manifest.files]


def now() -> str:
    """UTC in ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def own_revision() -> str:
    """The git revision of es-rerank, with `-dirty` where files were edited since; a package's version without one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return f"es-rerank {__version__}"
    command = ["git", "-C", os.fspath(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return f"es-rerank {__version__}"
    return told or f"es-rerank {__version__}"
