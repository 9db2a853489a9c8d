"""How a running process notices that an alias moved: one thread that looks at one file of each model's now and then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from middleware.errors import RegistryError
from middleware.registry.folder import Registry, Stamp
from middleware.registry.reference import parse_reference

_log = logging.getLogger(__name__)

LOOK_S = 2.0
_BUSY_S = 0.1


class Follower(Protocol):
    """Whatever serves what an alias points at."""

    def look(self) -> bool:
        """Go on with a switch, or begin one where the alias moved; True: look again soon. Quick, and one at a time."""
        ...


class AliasFollower:
    """Where one reference leads, read again only when its model's aliases were written anew."""

    def __init__(self, registry: Registry, reference: str, resolve: Callable[[], Path]) -> None:
        """`resolve` raises RegistryError."""
        self._registry = registry
        self._reference = parse_reference(reference)
        self._resolve = resolve
        self._stamp: Stamp = None
        self._found = False
        self._error: str | None = None

    @property
    def moves(self) -> bool:
        """Whether it may ever lead elsewhere: a version never does."""
        return self._reference.alias is not None

    def look(self) -> Path | None:
        """The folder that it leads to, where that may be new; None where it is not, or nothing can be found.

        What cannot be found is said once in the log, and looked for again each time.
        """
        stamp = self._registry.stamp(self._reference.name)
        if self._found and not (self.moves and stamp != self._stamp):
            return None
        try:
            folder = self._resolve()
        except RegistryError as error:
            if error.reason != self._error:
                _log.error("registry:%s cannot be followed, what is served stays: %s", self._reference, error)
            self._found, self._error = False, error.reason
            return None
        self._stamp, self._found, self._error = stamp, True, None
        return folder


class RegistryWatch:
    """One daemon thread that has all followers look every `look_s` seconds, and sooner while one of them switches."""

    def __init__(self, followers: Sequence[Follower], look_s: float = LOOK_S) -> None:
        self._followers = followers
        self._look_s = look_s
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="registry-watch", daemon=True)

    def start(self) -> None:
        if self._followers:
            self._thread.start()

    def stop(self) -> None:
        """No look is under way any more when this returns, unless one hangs for five seconds."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        pause = self._look_s
        while not self._stopping.wait(pause):
            is_busy = [self._look(follower) for follower in self._followers]
            pause = min(_BUSY_S, self._look_s) if any(is_busy) else self._look_s

    def _look(self, follower: Follower) -> bool:
        try:
            return follower.look()
        except Exception:  # noqa: BLE001 - the thread must outlive any bug: nobody else would ever follow an alias
            _log.exception("a look at the registry failed; what is served stays")
            return False
