"""What keeps something of users outside the cluster, as erasure and export need it: spools, dead letters, caches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class KeptRecord(Protocol):
    """A document that waits for its index."""

    @property
    def index(self) -> str: ...

    @property
    def id(self) -> str: ...

    @property
    def document(self) -> Mapping[str, Any]: ...


class Keeper(Protocol):
    """Records on disk, of all processes of this host, by the hash that they name."""

    def find(self, client_hash: str, /) -> Iterable[KeptRecord]: ...

    def erase(self, client_hash: str, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Keeping:
    """All of it in this process: `on_disk` by what it is called; `forget` clears a memory of ours of a hash."""

    on_disk: Mapping[str, Keeper] = field(default_factory=dict)
    forget: Sequence[Callable[[str], None]] = ()
