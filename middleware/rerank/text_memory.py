"""What was made of texts, kept by their content, so that it is made once however many searches find them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from middleware.rerank.halves import Halves

V = TypeVar("V")


class TextMemory(Generic[V]):
    """At most `size` values, thread-safe; nothing is waited for while another thread makes the same."""

    def __init__(self, size: int) -> None:
        self._values: Halves[bytes, V] = Halves(size)
        self._lock = Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)

    def read(self, texts: Sequence[str], make: Callable[[Sequence[str]], Iterable[V]]) -> list[V]:
        """The value of each text; `make` is given those that are not remembered, each once."""
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        with self._lock:
            found = {key: value for key in keys if (value := self._values.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            made = dict(zip(missing, make(list(missing.values())), strict=True))
            with self._lock:
                for key, value in made.items():
                    self._values.put(key, value)
            found |= made
        return [found[key] for key in keys]
