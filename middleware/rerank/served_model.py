"""A model as it is served while its alias moves: the next engine loads and warms up beside the one that works."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Literal, Protocol

from middleware.config import ModelSettings
from middleware.registry.folder import Registry
from middleware.registry.manifest import Manifest, find_manifest
from middleware.registry.watch import AliasFollower
from middleware.rerank.engine import Engine
from middleware.rerank.freed_memory import give_back_freed_memory

_log = logging.getLogger(__name__)

State = Literal["loading", "ready", "switching", "failed"]
SwitchOutcome = Literal["switched", "failed", "abandoned"]


class Servable(Protocol):
    """What gives the engine for a request: an Engine itself, or a ServedModel."""

    def hold(self) -> AbstractContextManager[Engine]:
        """The engine to use throughout one request."""
        ...


class SwitchWatch(Protocol):
    """Is told of switches, so that the model need not know who counts."""

    def count_switch(self, model: str, outcome: SwitchOutcome) -> None:
        """`model`: its name in rerank.yml. `abandoned`: the alias moved again before the model was ready."""
        ...

    def see_queue_limit(self, model: str, searches: int) -> None:
        """See rerank.watch."""
        ...


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What is told of a model. `model` is the one that scores now, `next` the one that is about to.

    `since`: when the state began, seconds since 1970. `error`: why the present one, or else the next, is not there.
    """

    reference: str
    model: str
    version: int | None
    next: str | None
    state: State
    since: float
    ready: bool
    error: str | None
    depth: int | None


class ServedModel:
    """One entry under `models`. Searches `hold` the engine that they began with; a watch calls `look`.

    A switch takes the memory of both models until the last search of the old one is done. One that fails leaves the
    old one at work; the engine tries again by itself, see Engine.start.
    """

    def __init__(
        self,
        name: str,
        settings: ModelSettings,
        registry: Registry,
        make_engine: Callable[[ModelSettings], Engine],
        watch: SwitchWatch,
        see: Callable[[Manifest], None] = lambda _: None,
    ) -> None:
        """`make_engine` is given settings whose source is a folder; `see` the manifest of each model that is loaded.

        A reference that leads nowhere by now gives an engine that cannot load, until the alias moves.
        """
        self._name = name
        self._settings = settings
        self._make_engine = make_engine
        self._watch = watch
        self._see = see
        self._follower: AliasFollower | None = None
        if settings.is_registered:
            self._follower = AliasFollower(registry, settings.source, lambda: Path(settings.resolved(registry).source))
        folder = self._follower.look() if self._follower else None
        self._source = settings.source if folder is None else str(folder)
        self._engine = self._make(self._source)
        self._next_source, self._next = self._source, self._engine
        self._failure: str | None = None
        self._holders: Counter[Engine] = Counter()
        self._retired: list[Engine] = []
        self._has_freed = False
        self._lock = Lock()

    @property
    def moves(self) -> bool:
        """Whether it is worth a look now and then."""
        return self._follower is not None and self._follower.moves

    def start(self) -> None:
        """Begin to load."""
        self._engine.start()

    def stop(self) -> None:
        """Stop whatever runs; callers that wait are released with ModelUnavailable."""
        for engine in {self._engine, self._next, *self._retired}:
            engine.stop()

    @contextmanager
    def hold(self) -> Iterator[Engine]:
        """The engine that serves now; it lives at least as long as it is held."""
        with self._lock:
            engine = self._engine
            self._holders[engine] += 1
        try:
            yield engine
        finally:
            with self._lock:
                self._holders[engine] -= 1

    @property
    def status(self) -> ModelStatus:
        """What is going on."""
        with self._lock:
            engine, following = self._engine, self._next
        shown = following if following is not engine else engine
        state: State = "ready" if shown.ready else "failed" if shown.error else "loading"
        if following is not engine and not shown.error:
            state = "switching"
        return ModelStatus(
            self._settings.source,
            engine.name,
            self._version,
            None if following is engine else following.name,
            state,
            shown.since,
            engine.ready,
            engine.error or shown.error,
            engine.depth,
        )

    def look(self) -> bool:
        """See registry_watch.Follower."""
        folder = self._follower.look() if self._follower else None
        if folder is not None and str(folder) != self._next_source:
            self._begin(str(folder))
        if self._next is not self._engine:
            self._finish()
        if self._has_freed:  # at the last look; by now no search's frame has a hand on it any more
            give_back_freed_memory()
        self._has_freed = self._stop_retired()
        is_loading = self._next is not self._engine and self._failure is None
        return is_loading or bool(self._retired)

    @property
    def _version(self) -> int | None:
        return int(Path(self._source).name) if self._source != self._settings.source else None

    def _make(self, source: str) -> Engine:
        if self._settings.is_registered and (manifest := find_manifest(Path(source))):
            self._see(manifest)
        return self._make_engine(self._settings.model_copy(update={"source": source}))

    def _begin(self, source: str) -> None:
        """Load another model, or none where the alias came back to the one that serves."""
        if self._next is not self._engine:
            _log.info("model %s: %s is no longer wanted", self._name, self._next.name)
            self._watch.count_switch(self._name, "abandoned")
            self._next.stop()
        self._failure = None
        following = self._engine if source == self._source else self._make(source)
        with self._lock:
            self._next_source, self._next = source, following
        if following is not self._engine:
            _log.info("model %s: %s is loading, %s serves until then", self._name, following.name, self._engine.name)
            following.start()

    def _finish(self) -> None:
        """Let the next model serve as soon as it is ready."""
        if self._next.ready:
            with self._lock:
                old, self._engine, self._source = self._engine, self._next, self._next_source
                self._retired.append(old)
            self._failure = None
            self._watch.count_switch(self._name, "switched")
            _log.info("model %s: %s serves from now on, in place of %s", self._name, self._engine.name, old.name)
        elif self._next.error is not None and self._failure is None:
            self._failure = self._next.error
            self._watch.count_switch(self._name, "failed")
            told = (self._name, self._engine.name, self._next.name, self._failure)
            _log.error("model %s: %s stays in its place, %s could not be loaded: %s", *told)

    def _stop_retired(self) -> bool:
        """Stop old models that no search holds any more; whether there were any."""
        with self._lock:
            idle = [engine for engine in self._retired if not self._holders[engine]]
        for engine in idle:
            engine.stop()
            _log.info("model %s: %s is stopped", self._name, engine.name)
            self._watch.see_queue_limit(engine.name, 0)
            with self._lock:
                self._retired.remove(engine)
                del self._holders[engine]
        return bool(idle)
