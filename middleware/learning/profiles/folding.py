"""A bucket of events folded into the states of its users, and what their clusters will be made of."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.config import ProfileSettings
from middleware.durable_files import flush_tree, unfinished_beside
from middleware.learning.profiles.kmeans import Matrix, unit_rows
from middleware.learning.profiles.runs import Events, user_name, users_of
from middleware.learning.profiles.shelf import Shelf
from middleware.personalization.documents import to_document
from middleware.personalization.state import EMPTY, SECONDS_PER_DAY, Folding, ProfileState

USE = np.dtype([("user", "<u4"), ("product", "<u4"), ("share", "<f4")])
"""Of a user, by its place in the bucket, a product's share, by its row on the shelf."""


@dataclass(slots=True)
class Folder:
    """Folds buckets. `actions`: what the events' numbers name. A user with more than `most_events` is a robot."""

    settings: ProfileSettings
    shelf: Shelf
    actions: list[str]
    now: float
    most_events: int
    dropped: Counter[str] = field(default_factory=Counter)

    def fold(self, events: Events) -> Bucket:
        """The states of users with a product that is known, by user."""
        states: list[tuple[str, ProfileState]] = []
        uses: list[NDArray[Any]] = []
        rows = self.shelf.rows_of(events["object"])
        weights = self._weights(events)
        self.dropped["on products that are not there"] += int((rows < 0).sum())
        for user, start, end in users_of(events):
            if end - start > self.most_events:
                self.dropped["of robots by their number"] += end - start
                self.dropped["robots"] += 1
                continue
            state = self._state(events[start:end])
            if state.events:
                uses.append(_uses(len(states), rows[start:end], weights[start:end]))
                states.append((user_name(user), state))
        return Bucket(
            [(name, to_document(state)) for name, state in states],
            self._vectors([state for _, state in states]),
            np.concatenate(uses) if uses else np.zeros(0, dtype=USE),
        )

    def _state(self, events: Events) -> ProfileState:
        folding = Folding(EMPTY, self.settings, self.now, self.shelf.vector_model)
        for _, at, _, target, action in events.tolist():
            kept = self.shelf.get(target)
            if kept is not None:
                # Without an id: what comes in the very moment of a user's last event waits for the next build.
                folding.add("", self.actions[action], kept.object_id, at, kept.product)
        return folding.finish()

    def _weights(self, events: Events) -> NDArray[np.float64]:
        acts = np.array([self.settings.action_weights[name] for name in self.actions], dtype=np.float64)
        half_life_s = self.settings.half_life_days * SECONDS_PER_DAY
        decay: NDArray[np.float64] = np.exp2((events["at"] - self.now) / half_life_s)
        weights: NDArray[np.float64] = acts[events["action"]] * decay
        return weights

    def _vectors(self, states: list[ProfileState]) -> Matrix:
        vectors = np.zeros((len(states), self.shelf.dimensions), dtype=np.float32)
        for row, state in enumerate(states):
            if state.vector_sum is not None:
                vectors[row] = state.vector_sum
        return unit_rows(vectors)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Folded users: (hash, document) each; `vectors`, (n, d), unit rows or of zeros; `uses`: rows of USE."""

    documents: list[tuple[str, dict[str, Any]]]
    vectors: Matrix
    uses: NDArray[Any]


class Buckets:
    """Folded buckets in a folder, each there whole or not at all."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self.count = folder, count

    def has(self, number: int) -> bool:
        return self._path(number).exists()

    def put(self, number: int, bucket: Bucket, dropped: Counter[str]) -> None:
        unfinished = unfinished_beside(self._path(number))
        unfinished.mkdir()
        with (unfinished / "documents.jsonl").open("w") as file:
            for entry in bucket.documents:
                file.write(json.dumps(entry, separators=(",", ":")) + "\n")
        np.save(unfinished / "vectors.npy", bucket.vectors.astype(np.float16))
        np.save(unfinished / "uses.npy", bucket.uses)
        (unfinished / "facts.json").write_text(json.dumps({"users": len(bucket.documents), "dropped": dropped}))
        flush_tree(unfinished)
        shutil.rmtree(self._path(number), ignore_errors=True)
        unfinished.rename(self._path(number))

    def documents(self, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """(user's hash, document) of each user, in the order of the vectors' rows."""
        with (self._path(number) / "documents.jsonl").open() as file:
            for line in file:
                name, document = json.loads(line)
                yield name, document

    def vectors(self, number: int) -> Matrix:
        return unit_rows(np.load(self._path(number) / "vectors.npy").astype(np.float32))

    def uses(self, number: int) -> NDArray[Any]:
        uses: NDArray[Any] = np.load(self._path(number) / "uses.npy")
        return uses

    def known_vectors(self) -> Iterator[Matrix]:
        """The vectors of those who have one, bucket by bucket."""
        for number in range(self.count):
            vectors = self.vectors(number)
            yield vectors[vectors.any(axis=1)]

    @property
    def users(self) -> int:
        return sum(facts["users"] for facts in self._facts())

    @property
    def dropped(self) -> Counter[str]:
        return sum((Counter(facts["dropped"]) for facts in self._facts()), Counter())

    def _facts(self) -> Iterator[dict[str, Any]]:
        for number in range(self.count):
            yield json.loads((self._path(number) / "facts.json").read_text())

    def _path(self, number: int) -> Path:
        return self._folder / f"bucket-{number:04d}"


def _uses(user: int, rows: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[Any]:
    known = rows >= 0
    products, places = np.unique(rows[known], return_inverse=True)
    sums = np.bincount(places, weights[known], minlength=len(products))
    total = math.fsum(sums)
    uses = np.zeros(len(products), dtype=USE)
    uses["user"], uses["product"], uses["share"] = user, products, sums / total if total > 0 else 0.0
    return uses
