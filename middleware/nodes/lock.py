"""The lock of an engine's jars: which, where they go, and their SHA-256, so that every machine runs the same bytes.

`python -m middleware.nodes.lock elasticsearch` writes the file anew after a version was changed in engines.py.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from middleware.errors import CommandError
from middleware.nodes.engines import Engine, find_engine

LOCKS = Path(__file__).parent / "locks"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked jar: Maven coordinate `group:artifact:version[:classifier]`, and its folder in the layout."""

    coordinate: str
    folder: str
    sha256: str
    n_bytes: int

    @property
    def file_name(self) -> str:
        return "-".join(self.coordinate.split(":")[1:]) + ".jar"


def read_lock(engine: Engine, folder: Path = LOCKS) -> tuple[Jar, ...]:
    """The locked jars of `engine`; CommandError when the lock is missing or was made for another version."""
    path = folder / f"{engine.name}.json"
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
        jars = tuple(Jar(**jar) for jar in lock["jars"])
        version = lock["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path}: not a usable lock ({error}); reinstall es-rerank") from error
    if version != engine.version:
        raise CommandError(f"{path}: locks version {version}, not {engine.version}; reinstall es-rerank")
    return jars


def hash_file(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def verify_jar(jar: Jar, path: Path) -> None:
    """Raise CommandError, one line with both hashes, unless `path` holds exactly the locked bytes."""
    found = hash_file(path)
    if found != jar.sha256:
        raise CommandError(
            f"{jar.coordinate}: SHA-256 is {found}, the lock says {jar.sha256}: the repository (or a proxy before it) "
            f"served other bytes; try again, or name another mirror under [repositories] in ~/.config/jgo.conf"
        )


def resolve_jars(engine: Engine, repository: Path) -> Iterator[Jar]:
    """Resolve the engine's jars with jgo into the folder `repository`: what a new lock is made of."""
    seen: set[str] = set()
    for folder, coordinates in _wanted(engine):
        for coordinate, path in sorted(_resolve_closure(coordinates, repository)):
            if coordinate not in seen:
                if folder == "lib":
                    seen.add(coordinate)
                yield Jar(coordinate, folder, hash_file(path), path.stat().st_size)


def _wanted(engine: Engine) -> Iterator[tuple[str, list[str]]]:
    versioned = [name if name.count(":") == 2 else f"{name}:{engine.version}" for name in engine.libraries]
    yield "lib", versioned
    for module in engine.modules:
        yield f"modules/{module.name}", [f"{engine.group}.plugin:{module.artifact}:{engine.version}"]


def _resolve_closure(coordinates: list[str], repository: Path) -> set[tuple[str, Path]]:
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=repository)
    wanted, needed = context.resolver.resolve([context.create_dependency(name) for name in coordinates])
    closure = set()
    for dependency in [*wanted, *needed]:
        # jars with a classifier are native code for one platform each: optional in both engines
        if dependency.scope in (None, "compile", "runtime") and not dependency.classifier:
            name = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
            closure.add((name, dependency.artifact.resolve()))
    return closure


def _write_lock(engine: Engine, repository: Path) -> Path:
    jars: list[dict[str, Any]] = [asdict(jar) for jar in resolve_jars(engine, repository)]
    path = LOCKS / f"{engine.name}.json"
    lines = ",\n".join("    " + json.dumps(jar) for jar in jars)
    path.write_text(
        f'{{\n  "engine": "{engine.name}",\n  "version": "{engine.version}",\n  "jars": [\n{lines}\n  ]\n}}\n',
        encoding="utf-8",
    )
    return path


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for name in sys.argv[1:]:
            print(_write_lock(find_engine(name), Path(temporary)))
