"""Versions of one index behind an alias: built unseen, swapped in atomically, the last one kept for a way back."""

from __future__ import annotations

import os
import re
import socket
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from middleware.catalog.bootstrap_patience import Patience, fetch, persist
from middleware.catalog.mapping_files import META_KEY
from middleware.errors import CommandError, ConfigError

BUILDING, COMPLETE = "building", "complete"
# A build that was not heard of for so long has no running process, whatever the process table says.
OWNER_SILENT_S = 300


@dataclass(frozen=True, slots=True)
class Build:
    """What an index says of its own making, in mappings._meta; survives a kill of the process that builds it.

    `checkpoint` is the last input line up to which everything is in the index or in the rejects; `refused` of these
    lines were refused by the cluster. `previous` names what the alias pointed at before the swap.
    """

    index: str
    fingerprint: str
    state: str = BUILDING
    checkpoint: int = 0
    refused: int = 0
    host: str = ""
    pid: int = 0
    touched: float = 0.0
    analysis: str = ""
    previous: tuple[str, ...] = ()

    def to_meta(self) -> dict[str, Any]:
        meta = {name: getattr(self, name) for name in self.__slots__ if name != "index"}
        return {META_KEY: {**meta, "previous": list(self.previous)}}

    @classmethod
    def from_meta(cls, index: str, meta: dict[str, Any]) -> Build:
        known = {name: meta[name] for name in cls.__slots__ if name in meta}
        return cls(**{"fingerprint": "", **known, "index": index, "previous": tuple(meta.get("previous", ()))})


class Versions:
    """The versions `ALIAS-YYYYMMDDHHMMSS` of one alias on one cluster.

    Every method raises CommandError where the cluster cannot be reached for longer than the patience.
    """

    def __init__(self, client: Elasticsearch, alias: str, patience: Patience) -> None:
        self._client = client
        self._alias = alias
        self._patience = patience
        self._pattern = re.compile(rf"{re.escape(alias)}-\d{{14}}")

    def live(self) -> tuple[str, ...]:
        """The indices behind the alias. Raises CommandError where an index itself has the alias' name."""
        try:
            found = fetch(self._client, lambda: self._client.indices.get_alias(name=self._alias), self._patience)
        except CommandError as error:
            if not isinstance(error.__cause__, NotFoundError):
                raise
            found = {}
        if not found and persist(
            self._client, lambda: bool(self._client.indices.exists(index=self._alias)), self._patience
        ):
            raise CommandError(
                f"{self._alias!r} is an index, so it cannot be an alias: take another --alias, or make room with "
                f"_reindex to another name and DELETE /{self._alias}"
            )
        return tuple(sorted(found))

    def builds(self) -> list[Build]:
        """Our versions on the cluster, oldest first."""
        found = fetch(
            self._client,
            lambda: self._client.indices.get_mapping(index=f"{self._alias}-*", filter_path="*.mappings._meta"),
            self._patience,
        )
        metas = {name: entry["mappings"]["_meta"].get(META_KEY) for name, entry in found.items()}
        return [
            Build.from_meta(name, meta)
            for name, meta in sorted(metas.items())
            if meta and self._pattern.fullmatch(name)
        ]

    def resume_or_discard(self, fingerprint: str) -> Build | None:
        """The unfinished build of the same input and options; other unfinished ones are deleted.

        Raises CommandError where another process is at work on one.
        """
        same = None
        for build in self.builds():
            if build.state != BUILDING:
                continue
            if _is_running(build):
                raise CommandError(f"process {build.pid} is building {build.index} right now; wait for it or stop it")
            if build.fingerprint == fingerprint and same is None:
                same = build
            else:
                self.delete(build.index)
        return same

    def create(self, body: dict[str, Any], fingerprint: str, analysis: str) -> Build:
        """A new, empty, unseen version with `body`."""
        taken = {build.index for build in self.builds()}
        while (name := f"{self._alias}-{datetime.now(UTC):%Y%m%d%H%M%S}") in taken:
            time.sleep(0.1)
        build = _touch(Build(name, fingerprint, analysis=analysis))
        mappings = {**body["mappings"], "_meta": {**body["mappings"].get("_meta", {}), **build.to_meta()}}
        persist(self._client, lambda: self._create(name, body["settings"], mappings), self._patience)
        return build

    def _create(self, name: str, settings: dict[str, Any], mappings: dict[str, Any]) -> None:
        # A first try whose answer was lost may have made it.
        if not self._client.indices.exists(index=name):
            self._client.indices.create(index=name, settings=settings, mappings=mappings)

    def save(self, build: Build) -> Build:
        """Write `build` into its index, with us as the owner."""
        build = _touch(build)
        meta = build.to_meta()
        fetch(self._client, lambda: self._client.indices.put_mapping(index=build.index, meta=meta), self._patience)
        return build

    def promote(self, build: Build) -> Build:
        """Point the alias at a complete build, in one step for every search; what it pointed at stays for rollback."""
        previous = tuple(name for name in self.live() if name != build.index)
        build = self.save(replace(build, state=COMPLETE, previous=previous or build.previous))
        self._point_at((build.index,))
        return build

    def rollback(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(from, to): the alias points again at what it pointed at before. Raises CommandError without a way back."""
        live = self.live()
        builds = {build.index: build for build in self.builds()}
        if not live or live[0] not in builds:
            raise CommandError(f"alias {self._alias!r} points at no version of ours; there is nothing to roll back")
        target = tuple(name for name in builds[live[0]].previous if self._exists(name))
        if not target:
            raise CommandError(
                f"{live[0]} has no earlier version that is still there; there is nothing to roll back to"
            )
        self._point_at(target)
        return live, target

    def prune(self, keep: tuple[str, ...]) -> list[str]:
        """Delete our complete versions but those of `keep`; returns their names."""
        old = [build.index for build in self.builds() if build.state == COMPLETE and build.index not in keep]
        for name in old:
            self.delete(name)
        return old

    def delete(self, index: str) -> None:
        """Delete one index that may be gone already."""
        delete = self._client.indices.delete
        fetch(self._client, lambda: delete(index=index, ignore_unavailable=True), self._patience)

    def _exists(self, index: str) -> bool:
        return persist(self._client, lambda: bool(self._client.indices.exists(index=index)), self._patience)

    def _point_at(self, indices: tuple[str, ...]) -> None:
        persist(self._client, lambda: self._swap(indices), self._patience)

    def _swap(self, indices: tuple[str, ...]) -> None:
        gone = [name for name in self.live() if name not in indices]
        actions = [{"remove": {"index": name, "alias": self._alias}} for name in gone]
        actions += [{"add": {"index": name, "alias": self._alias}} for name in indices]
        self._client.indices.update_aliases(actions=actions)


def _touch(build: Build) -> Build:
    return replace(build, host=socket.gethostname(), pid=os.getpid(), touched=time.time())


def _is_running(build: Build) -> bool:
    if build.host != socket.gethostname() or build.pid in (0, os.getpid()):
        return False
    if time.time() - build.touched > OWNER_SILENT_S:
        return False
    try:
        os.kill(build.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's process is alive too
    return True


def check_alias(alias: str) -> str:
    """`alias`, if Elasticsearch can have an index of that name. Raises ConfigError otherwise."""
    if not alias or alias != alias.lower() or alias[0] in "_-+." or set(alias) & set(' "*\\<|,>/?#:'):
        raise ConfigError("--alias", alias, 'lower case, no spaces or any of "*\\<|,>/?#: and no _ - + . in front')
    return alias
