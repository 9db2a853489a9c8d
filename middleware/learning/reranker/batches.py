"""The pairs of a training as token ids, and their order: the same for a seed on any number of processes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.learning.groups.group import Group
from middleware.learning.reranker.recipe import Recipe
from middleware.rerank.backends import Tokens
from middleware.rerank.backends.pair_tokenizer import PairTokenizer

PASS_TOKENS = 4096
"""Most tokens of one pass through the model, padding included; a step of more pairs takes several."""
_STRETCH = 16

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The pairs of all groups, tokenised once: `starts` has where each group's begin, and the end, shape (groups + 1,).

    `tokens[row]`: input_ids and, where the model has them, token_type_ids, shape (arrays, length). `weights`: of each
    group; their mean over the pairs is 1.
    """

    tokens: Sequence[NDArray[np.int32]]
    names: Sequence[str]
    padding: int
    starts: IntArray
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]

    @property
    def lengths(self) -> IntArray:
        return np.array([each.shape[1] for each in self.tokens], dtype=np.int64)

    def passes(self, rows: Sequence[int]) -> tuple[list[dict[str, Any]], IntArray]:
        """Padded tensors of `rows`, sorted by length so that little is padding, and where each row's logit comes."""
        lengths = [self.tokens[row].shape[1] for row in rows]
        order = sorted(range(len(rows)), key=lambda place: -lengths[place])
        made, start = [], 0
        while start < len(order):
            count = max(1, PASS_TOKENS // lengths[order[start]])
            made.append(self._pad([rows[place] for place in order[start : start + count]]))
            start += count
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.arange(len(order))
        return made, places

    def _pad(self, rows: Sequence[int]) -> dict[str, Any]:
        import torch

        longest = max(self.tokens[row].shape[1] for row in rows)
        filled = np.zeros((len(self.names) + 1, len(rows), longest), dtype=np.int64)
        filled[self.names.index("input_ids")] = self.padding
        for place, row in enumerate(rows):
            length = self.tokens[row].shape[1]
            filled[:-1, place, :length] = self.tokens[row]
            filled[-1, place, :length] = 1
        return {
            name: torch.from_numpy(each) for name, each in zip([*self.names, "attention_mask"], filled, strict=True)
        }


def encode_groups(tokenizer: PairTokenizer, groups: Sequence[Group]) -> Encoded:
    """Pairs cut and laid out as the engine does it when it serves the model."""
    tokens: list[NDArray[np.int32]] = []
    names: tuple[str, ...] = ()
    for group in groups:
        for pair in tokenizer.encode(group.query_text, group.document_texts):
            names = names or _names(pair)
            tokens.append(np.array([pair[name] for name in names], dtype=np.int32))
    sizes = [len(group.targets) for group in groups]
    weights = np.array([group.weight for group in groups], dtype=np.float64)
    weights /= np.average(weights, weights=sizes) if len(groups) else 1.0
    return Encoded(
        tokens=tokens,
        names=names,
        padding=tokenizer.tokenizer.pad_token_id or 0,
        starts=np.cumsum([0, *sizes]),
        targets=np.array([target for group in groups for target in group.targets], dtype=np.float32),
        weights=weights.astype(np.float32),
    )


def _names(pair: Tokens) -> tuple[str, ...]:
    return tuple(name for name in pair if name != "attention_mask")


@dataclass(frozen=True, slots=True)
class Share:
    """One process's part of a step: the rows of its pieces (groups, or pairs alone), and the update's pieces in all."""

    pieces: Sequence[Sequence[int]]
    weights: Sequence[float]
    in_update: int


class Batches:
    """The steps of an epoch, as the trainer's batch sampler: of each the share of process `rank` of `world`.

    In random order, but of like length, which saves most of the padding: sorting within stretches of 16 batches leaves
    the order nearly random. Every process draws the same order.
    """

    def __init__(self, encoded: Encoded, recipe: Recipe, rank: int = 0, world: int = 1) -> None:
        self._encoded, self._recipe, self._rank, self._world = encoded, recipe, rank, world
        self._epoch = 0
        sizes = np.diff(encoded.starts)
        self._groups = np.repeat(np.arange(len(sizes)), sizes)  # of each row
        self._count = len(sizes) if recipe.over_groups else len(encoded.tokens)
        mean_size = float(np.minimum(sizes, recipe.group_limit).mean()) if recipe.over_groups else 1.0
        self._size = max(1, round(recipe.batch_size / mean_size))
        self._lengths = self._piece_lengths()

    @property
    def batch_sampler(self) -> Batches:
        """Where the trainer looks for who wants to know of a new epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Another order for each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-self._count // self._size)

    @property
    def updates(self) -> int:
        """Of an epoch."""
        return -(-len(self) // self._recipe.accumulation)

    def __iter__(self) -> Iterator[list[Share]]:
        batches = self._order()
        for number, batch in enumerate(batches):
            first = number - number % self._recipe.accumulation
            in_update = sum(len(each) for each in batches[first : first + self._recipe.accumulation])
            mine = batch[self._rank :: self._world]
            pieces = [self._rows(piece) for piece in mine] or [
                [0]
            ]  # a step without anything would leave others waiting
            weights = [self._weight(piece) for piece in mine] or [0.0]
            yield [Share(pieces, weights, in_update)]

    def _piece_lengths(self) -> IntArray:
        lengths = self._encoded.lengths
        if not self._recipe.over_groups:
            return lengths
        return np.add.reduceat(lengths, self._encoded.starts[:-1]) // np.diff(self._encoded.starts)

    def _order(self) -> list[list[int]]:
        rng = random.Random(self._recipe.seed + (self._epoch << 32))
        order = rng.sample(range(self._count), self._count)
        stretch = _STRETCH * self._size
        alike: list[int] = []
        for start in range(0, len(order), stretch):
            alike += sorted(order[start : start + stretch], key=lambda piece: self._lengths[piece])
        batches = [alike[start : start + self._size] for start in range(0, len(alike), self._size)]
        return rng.sample(batches, len(batches))

    def _weight(self, piece: int) -> float:
        return float(self._encoded.weights[piece if self._recipe.over_groups else self._groups[piece]])

    def _rows(self, piece: int) -> list[int]:
        """A group's documents in random order, so that those of equal target have none; of many, the best and some."""
        if not self._recipe.over_groups:
            return [piece]
        start, end = self._encoded.starts[piece : piece + 2]
        rng = random.Random(f"{self._recipe.seed} {self._epoch} {piece}")
        rows = rng.sample(range(start, end), end - start)
        if len(rows) <= self._recipe.group_limit:
            return rows
        best = max(rows, key=lambda row: self._encoded.targets[row])
        others = [row for row in rows if row != best][: self._recipe.group_limit - 1]
        return rng.sample([best, *others], len(others) + 1)
