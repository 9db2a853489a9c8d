"""The fusion models of the variants as they are served: those behind an alias are read anew when it moves."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from middleware.config import Settings
from middleware.errors import ConfigError, RegistryError
from middleware.fusion_file import read_fusion_model
from middleware.fusions import Fusion, learned
from middleware.registry.manifest import find_damage, read_manifest
from middleware.registry.reference import is_reference
from middleware.registry.watch import AliasFollower

_log = logging.getLogger(__name__)


class FusionWatch(Protocol):
    """Is told of switches, so that the models need not know who counts."""

    def count_switch(self, model: str, outcome: Literal["switched", "failed"]) -> None:
        """`model`: the source as a variant names it."""
        ...


@dataclass(frozen=True, slots=True)
class FusionStatus:
    """What is told of a fusion model. `model`: what serves, None: the variant's weights do.

    `since`: when that began, seconds since 1970. `error`: why what is wanted is not what serves.
    """

    reference: str
    model: str | None
    version: int | None
    state: Literal["ready", "failed"]
    since: float
    error: str | None


class ServedFusion:
    """One source under `variants.NAME.fusion`; what it is, is small: it is read at once, and a search keeps its own."""

    def __init__(self, source: str, settings: Settings, watch: FusionWatch) -> None:
        """Nothing is raised: a variant whose model is not there any more is served with its weights."""
        self._source = source
        self._watch = watch
        self._follower: AliasFollower | None = None
        self.fusion: Fusion | None = None
        self.status = FusionStatus(source, None, None, "failed", time.time(), "not read yet")
        folder: Path | None = Path(source)
        if is_reference(source):
            registry = settings.model_registry
            self._follower = AliasFollower(registry, source, lambda: registry.resolve(source, kinds=("fusion",)))
            folder = self._follower.look()
        if folder is not None:
            self._read(folder)

    @property
    def moves(self) -> bool:
        """Whether it is worth a look now and then."""
        return self._follower is not None and self._follower.moves

    def look(self) -> bool:
        """See registry_watch.Follower. What cannot be read is not read again before the alias moves."""
        folder = self._follower.look() if self._follower else None
        is_new = folder is not None and (self.status.error or int(folder.name) != self.status.version)
        if folder is not None and is_new:
            is_read = self._read(folder)
            self._watch.count_switch(self._source, "switched" if is_read else "failed")
        return False

    def _read(self, folder: Path) -> bool:
        """Serve the model in a folder or file; where that cannot be read, what serves stays."""
        try:
            label, version = _checked_label(folder) if self._follower else (str(folder), None)
            fusion = learned(read_fusion_model(folder))
        except (ConfigError, RegistryError) as error:
            was = self.status
            self.status = FusionStatus(self._source, was.model, was.version, "failed", time.time(), error.reason)
            _log.error("fusion %s: %s serves, not what is wanted: %s", self._source, was.model or "weights", error)
            return False
        self.fusion = fusion
        self.status = FusionStatus(self._source, label, version, "ready", time.time(), None)
        if self._follower:
            _log.info("fusion %s: %s serves from now on", self._source, label)
        return True


class ServedFusions(Mapping[str, Fusion | None]):
    """Source -> the model that serves now; None where nothing could be read yet."""

    def __init__(self, settings: Settings, watch: FusionWatch) -> None:
        sources = sorted({each.fusion for each in settings.variants.values() if each.fusion is not None})
        self.served = {source: ServedFusion(source, settings, watch) for source in sources}

    def __getitem__(self, source: str) -> Fusion | None:
        return self.served[source].fusion

    def __iter__(self) -> Iterator[str]:
        return iter(self.served)

    def __len__(self) -> int:
        return len(self.served)


def _checked_label(folder: Path) -> tuple[str, int]:
    """Raises RegistryError where it is not what was added."""
    manifest = read_manifest(folder)
    damage = find_damage(folder, manifest, additions=False)
    if damage:
        raise RegistryError(f"{manifest.label}: not what was added: {damage[0]}; add the model anew and promote that")
    return manifest.label, manifest.version
