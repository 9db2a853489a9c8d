"""A training loop one can read: pairs with soft targets in, a fitted cross-encoder out."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.learning.starter import Starter


class Stalled(Exception):
    """The training does not get anywhere; another seed or a lower rate will."""


@dataclass(frozen=True, slots=True)
class TextPair:
    """What the cross-encoder reads, and the score in [0, 1] that it should give."""

    query_text: str
    document_text: str
    target: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what comes out of a training, but for the data."""

    seed: int = 12
    batch_size: int = 32
    max_tokens: int = 64
    learning_rate: float = 1e-4
    new_weights_rate: float = 1e-3
    warm_up_share: float = 0.1
    weight_decay: float = 0.01
    frozen_layers: int = 1


STALL_STEPS, STALL_SHARE = 100, 0.95
"""After so many steps, a loss above this share of a constant model's means that nothing was learned."""

ShowStep = Callable[[int, int, float], None]
"""(step, steps, running loss)"""


def fit(starter: Starter, pairs: Sequence[TextPair], recipe: Recipe, show: ShowStep) -> None:
    """One pass of AdamW over `pairs` in random order, in batches of like length; the rate rises, then falls linearly.

    The loss is binary cross-entropy against the soft targets. The starter's word embeddings stay as they are, which
    saves a third of the time and keeps the words that the catalogue lacks; those of added tokens are trained.
    Raises Stalled when after STALL_STEPS steps the model still gives every pair much the same score.
    """
    import torch

    torch.manual_seed(recipe.seed)
    model = starter.model
    batches = _batches(starter.tokenizer, pairs, recipe)
    vocabulary = _ExtendedEmbedding(model, starter.known_tokens)
    optimizer = torch.optim.AdamW(_parameter_groups(model, vocabulary, recipe), weight_decay=recipe.weight_decay)
    warm_up = max(1, round(recipe.warm_up_share * len(batches)))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, (len(batches) - step) / max(1, len(batches) - warm_up))
    )
    model.train()
    running = math.nan
    for step, (inputs, targets) in enumerate(batches, start=1):
        logits = model(**inputs).logits[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        running = loss.item() if math.isnan(running) else 0.95 * running + 0.05 * loss.item()
        show(step, len(batches), running)
        if step == STALL_STEPS and running > STALL_SHARE * _loss_of_no_opinion(pairs):
            vocabulary.put_back()
            raise Stalled(f"after {step} steps the loss is {running:.3f}")
    vocabulary.put_back()
    model.eval()


def _loss_of_no_opinion(pairs: Sequence[TextPair]) -> float:
    """Cross-entropy of the best constant score, which is the mean target m: -m log m - (1 - m) log(1 - m)."""
    mean = min(max(sum(pair.target for pair in pairs) / len(pairs), 1e-6), 1 - 1e-6)
    return -mean * math.log(mean) - (1 - mean) * math.log(1 - mean)


def _batches(tokenizer: Any, pairs: Sequence[TextPair], recipe: Recipe) -> list[tuple[Any, Any]]:
    import torch

    rng = random.Random(recipe.seed)
    order = rng.sample(range(len(pairs)), len(pairs))
    encoded = tokenizer(
        [pair.query_text for pair in pairs],
        [pair.document_text for pair in pairs],
        truncation="only_second",
        max_length=recipe.max_tokens,
    )
    lengths = [len(ids) for ids in encoded["input_ids"]]
    # Sorting within stretches of 16 batches saves most of the padding and leaves the order nearly random.
    stretch = 16 * recipe.batch_size
    sorted_order: list[int] = []
    for start in range(0, len(order), stretch):
        sorted_order += sorted(order[start : start + stretch], key=lambda row: lengths[row])
    starts = list(range(0, len(order), recipe.batch_size))
    batches = []
    for start in rng.sample(starts, len(starts)):
        rows = sorted_order[start : start + recipe.batch_size]
        inputs = tokenizer.pad(
            {name: [encoded[name][row] for row in rows] for name in encoded}, padding="longest", return_tensors="pt"
        )
        batches.append((inputs, torch.tensor([pairs[row].target for row in rows])))
    return batches


def _parameter_groups(model: Any, vocabulary: _ExtendedEmbedding, recipe: Recipe) -> list[dict[str, Any]]:
    encoder = model.base_model
    for frozen in (encoder.embeddings, *encoder.encoder.layer[: recipe.frozen_layers]):
        frozen.requires_grad_(False)
    vocabulary.trained.requires_grad_(True)
    new = [vocabulary.trained, *encoder.pooler.parameters(), *model.classifier.parameters()]
    new_ids = {id(parameter) for parameter in new}
    old = [each for each in model.parameters() if each.requires_grad and id(each) not in new_ids]
    return [
        {"params": old, "lr": recipe.learning_rate},
        {"params": new, "lr": recipe.new_weights_rate, "weight_decay": 0.0},
    ]


class _ExtendedEmbedding:
    """Splits the word embeddings for the time of training: the starter's rows are frozen, the added ones learn.

    A gradient of the whole matrix, mostly zeros, would cost more than the rest of a step's update.
    """

    def __init__(self, model: Any, known: int) -> None:
        import torch

        self._model = model
        self._original = model.get_input_embeddings()
        original = self._original.weight.data

        class Split(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.added = torch.nn.Parameter(original[known:].clone())

            def forward(self, ids: Any) -> Any:
                fixed = torch.nn.functional.embedding(ids, original)
                added = torch.nn.functional.embedding((ids - known).clamp(min=0), self.added)
                return torch.where((ids >= known).unsqueeze(-1), added, fixed)

        self._known = known
        self._split = Split()
        model.set_input_embeddings(self._split)

    @property
    def trained(self) -> Any:
        return self._split.added

    def put_back(self) -> None:
        self._original.weight.data[self._known :] = self.trained.data
        self._model.set_input_embeddings(self._original)
