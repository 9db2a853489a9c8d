"""Teaches an estimator to order windows as the cross-encoder does: its scores are the only teacher, no judgments."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.rerank.backends import FloatArray
from middleware.rerank.estimator_file import DOCUMENT_TOKENS, FEATURES, QUERY_TOKENS, EstimatorFile

ShowStep = Callable[[int, int, float], None]
"""(step, steps, running loss)"""


@dataclass(frozen=True, slots=True)
class TaughtWindow:
    """A query, its hits in Elasticsearch's order and what the cross-encoder says of each; arrays of shape (n,)."""

    query_text: str
    document_texts: Sequence[str]
    first_stage: FloatArray
    cross_encoder_scores: FloatArray


@dataclass(frozen=True, slots=True)
class Words:
    """A model's word embeddings, shape (V, h), and its tokenizer as the package `tokenizers` writes it."""

    embeddings: NDArray[np.float32]
    tokenizer: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what comes out, but for the data."""

    dimensions: int = 64
    passes: int = 12
    windows_per_step: int = 4
    rate: float = 3e-3
    linear_rate: float = 3e-2
    weight_decay: float = 0.01
    largest_logit: float = 7.0
    residual_bins: int = 8
    residual_levels: int = 41
    seed: int = 1


def teach(
    words: Words, windows: Sequence[TaughtWindow], held_out: Sequence[TaughtWindow], recipe: Recipe, show: ShowStep
) -> EstimatorFile:
    """An estimator fitted to `windows`, its residuals measured on `held_out`; its depth is not yet chosen (1).

    The loss is the sum of two: the listwise Kullback-Leibler divergence of the softmax over a window, which is what
    distilling a ranking usually minimises (Cao et al., ListNet, 2007, with the teacher's scores as target), and a
    smooth absolute error of the logits, in which hits that the model likes count more, for estimates that can be
    compared with scores.
    """
    import torch

    torch.set_num_threads(1)  # of operations this small two threads make a sixth of the speed
    empty = _empty_file(words, recipe)
    items = [_tensors(torch, empty, window, recipe) for window in windows]
    seen = np.unique(np.concatenate([each.tokens.numpy() for each in items]))
    student = _Student(torch, words.embeddings, seen, recipe)
    student.standardise(items)
    _fit(torch, student, items, recipe, show)
    return _with_residuals(torch, student.export(empty), student, held_out, recipe)


@dataclass(frozen=True, slots=True)
class _Item:
    """A window as tensors: `plain` (n, 4), the features that nothing is learned of, and the true `logits` (n,).

    `tokens` (u,) are all of its tokens, each once; `query` (m,) and `document` (n, L) places among them, or -1.
    """

    tokens: Any
    query: Any
    document: Any
    plain: Any
    logits: Any


def _tensors(torch: Any, file: EstimatorFile, window: TaughtWindow, recipe: Recipe) -> _Item:
    count = len(window.document_texts)
    query = file.tokenise([window.query_text], QUERY_TOKENS)[0]
    document = np.full((count, DOCUMENT_TOKENS), -1, dtype=np.int64)
    for row, ids in enumerate(file.tokenise(window.document_texts, DOCUMENT_TOKENS)):
        document[row, : len(ids)] = ids
    lengths = (document >= 0).sum(axis=1)
    plain = np.stack(
        [
            window.first_stage,
            1 / (1 + np.arange(count)),
            lengths / DOCUMENT_TOKENS,
            np.full(count, len(query) / QUERY_TOKENS),
        ],
        axis=1,
    )
    logits = torch.logit(torch.tensor(window.cross_encoder_scores, dtype=torch.float32), eps=1e-6)
    tokens = np.unique(np.concatenate([query, document[document >= 0]]))
    places = np.where(document >= 0, np.searchsorted(tokens, document), -1)
    return _Item(
        torch.tensor(tokens),
        torch.tensor(np.searchsorted(tokens, query)),
        torch.tensor(places),
        torch.tensor(plain, dtype=torch.float32),
        logits.clamp(-recipe.largest_logit, recipe.largest_logit),
    )


class _Student:
    """The estimator as torch trains it: the same features, of a projection that changes."""

    def __init__(self, torch: Any, embeddings: NDArray[np.float32], seen: NDArray[Any], recipe: Recipe) -> None:
        self._torch = torch
        table = torch.tensor(embeddings) - torch.tensor(embeddings[seen].mean(axis=0))
        self.table = torch.nn.functional.normalize(table, dim=-1)
        start = torch.linalg.svd(self.table[seen], full_matrices=False)[2][: recipe.dimensions].T
        width = embeddings.shape[1]
        make = torch.nn.Parameter
        self.projection = make(start.clone())
        self.query_weight, self.query_bias = make(torch.zeros(width)), make(torch.tensor(1.0))
        self.document_weight, self.document_bias = make(torch.zeros(width)), make(torch.tensor(0.0))
        self.positions = make(torch.zeros(DOCUMENT_TOKENS))
        self.linear, self.bias = make(torch.zeros(len(FEATURES))), make(torch.tensor(0.0))
        self.mean, self.deviation = torch.zeros(len(FEATURES)), torch.ones(len(FEATURES))

    @property
    def linear_parameters(self) -> list[Any]:
        return [self.linear, self.bias]

    @property
    def other_parameters(self) -> list[Any]:
        return [
            self.projection,
            self.query_weight,
            self.query_bias,
            self.document_weight,
            self.document_bias,
            self.positions,
        ]

    def standardise(self, items: Sequence[_Item]) -> None:
        """Features are fitted as deviations from their mean at the start, in units of their standard deviation."""
        with self._torch.no_grad():
            together = self._torch.cat([self.features(item) for item in items])
        self.mean, self.deviation = together.mean(0), together.std(0) + 1e-3

    def logits(self, item: _Item) -> Any:
        return (self.features(item) - self.mean) / self.deviation @ self.linear + self.bias

    def features(self, item: _Item) -> Any:
        """As Estimator.features, shape (n, 8)."""
        torch, there = self._torch, item.document >= 0
        normalise, places = torch.nn.functional.normalize, item.document.clamp(min=0)
        table = self.table[item.tokens]
        vectors = normalise(table @ self.projection, dim=-1)
        weights = torch.nn.functional.softplus(table[item.query] @ self.query_weight + self.query_bias)
        weights = weights / weights.sum()
        gates = (table @ self.document_weight + self.document_bias)[places] + self.positions
        shares = torch.sigmoid(gates) * there
        tokens = vectors[item.query]
        similarity = (vectors @ tokens.T)[places].masked_fill(~there[..., None], -1.0)  # (n, L, m)
        nearest = similarity.max(dim=1).values
        reverse = (similarity.max(dim=2).values.masked_fill(~there, 0.0) * shares).sum(1) / shares.sum(1)
        shares_by_token = shares.new_zeros(len(places), len(vectors)).scatter_add(1, places, shares)
        learned = [
            nearest @ weights,
            nearest.min(dim=1).values,
            normalise(shares_by_token @ vectors, dim=-1) @ normalise(weights @ tokens, dim=0),
            reverse,
        ]
        return torch.cat([item.plain, torch.stack(learned, dim=1)], dim=1)

    def export(self, file: EstimatorFile) -> EstimatorFile:
        """The tables for every token of the vocabulary."""
        torch = self._torch
        with torch.no_grad():
            vectors = torch.nn.functional.normalize(self.table @ self.projection, dim=-1)
            query_weights = torch.nn.functional.softplus(self.table @ self.query_weight + self.query_bias)
            linear = self.linear / self.deviation
            return replace(
                file,
                vectors=vectors.numpy(),
                query_weights=query_weights.numpy(),
                document_weights=(self.table @ self.document_weight + self.document_bias).numpy(),
                positions=self.positions.numpy().copy(),
                linear=linear.double().numpy(),
                bias=float(self.bias - (linear * self.mean).sum()),
            )


def _fit(torch: Any, student: _Student, items: Sequence[_Item], recipe: Recipe, show: ShowStep) -> None:
    optimizer = torch.optim.AdamW(
        [
            {"params": student.other_parameters, "lr": recipe.rate},
            {"params": student.linear_parameters, "lr": recipe.linear_rate, "weight_decay": 0.0},
        ],
        weight_decay=recipe.weight_decay,
    )
    steps = -(-len(items) // recipe.windows_per_step) * recipe.passes
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 20) * max(0.02, 1 - step / steps)
    )
    rng, running, step = random.Random(recipe.seed), 0.0, 0
    for _ in range(recipe.passes):
        order = rng.sample(range(len(items)), len(items))
        for start in range(0, len(order), recipe.windows_per_step):
            batch = [items[row] for row in order[start : start + recipe.windows_per_step]]
            loss = torch.stack([_loss(torch, student.logits(item), item.logits) for item in batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step, running = step + 1, loss.item() if not step else 0.95 * running + 0.05 * loss.item()
            show(step, steps, running)


def _loss(torch: Any, estimated: Any, true: Any) -> Any:
    liked = 0.2 + torch.sigmoid(true)
    error = torch.nn.functional.smooth_l1_loss(estimated, true, reduction="none")
    listwise = torch.nn.functional.kl_div(torch.log_softmax(estimated, 0), torch.softmax(true, 0), reduction="sum")
    return (liked * error).mean() + listwise


def _with_residuals(
    torch: Any, file: EstimatorFile, student: _Student, held_out: Sequence[TaughtWindow], recipe: Recipe
) -> EstimatorFile:
    """How far the true logits lie from the estimated ones, by the size of the estimate."""
    items = [_tensors(torch, file, window, recipe) for window in held_out]
    with torch.no_grad():
        estimated = np.concatenate([student.logits(item).numpy() for item in items]).astype(np.float64)
    true = np.concatenate([item.logits.numpy() for item in items])
    edges = np.quantile(estimated, np.linspace(0, 1, recipe.residual_bins + 1)[1:-1])
    bins = np.searchsorted(edges, estimated)
    levels = np.linspace(0, 1, recipe.residual_levels)
    everywhere = np.quantile(true - estimated, levels)
    residuals = np.stack(
        [
            np.quantile((true - estimated)[bins == number], levels) if (bins == number).any() else everywhere
            for number in range(recipe.residual_bins)
        ]
    )
    return replace(file, edges=edges, residuals=residuals)


def _empty_file(words: Words, recipe: Recipe) -> EstimatorFile:
    nothing = np.zeros(0, dtype=np.float32)
    return EstimatorFile(
        vectors=nothing,
        query_weights=nothing,
        document_weights=nothing,
        positions=nothing,
        linear=np.zeros(len(FEATURES)),
        bias=0.0,
        edges=np.zeros(recipe.residual_bins - 1),
        residuals=np.zeros((recipe.residual_bins, recipe.residual_levels)),
        depth=1,
        tokenizer=words.tokenizer,
        made_of={},
    )
