"""How good a reranker in training is on groups that it does not learn from: nDCG@10, ties broken by a fixed draw."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.learning.evaluation.rankings import MAIN_MEASURE, evaluate
from middleware.learning.groups.group import Group
from middleware.learning.reranker.batches import Encoded

_GRADES = 1000
"""Targets are shares; the measure reads whole numbers, and only their ratios count."""


def group_ndcg(groups: Sequence[Group], scores: Sequence[Sequence[float] | NDArray[Any]]) -> float:
    """Mean nDCG@10 of ranking each group's documents by its scores; a group of targets 0 alone is left out.

    Documents often come best first, so equal scores are put in an order drawn by the group's number.
    """
    qrels, run = {}, {}
    for number, (group, of_group) in enumerate(zip(groups, scores, strict=True)):
        order = random.Random(number).sample(range(len(group.targets)), len(group.targets))
        ranked = sorted(order, key=lambda place, of_group=of_group: -of_group[place])  # type: ignore[misc]
        run[str(number)] = [str(place) for place in ranked]
        qrels[str(number)] = {str(place): round(target * _GRADES) for place, target in enumerate(group.targets)}
    return evaluate(run, qrels).mean[MAIN_MEASURE]


def score_groups(model: Any, encoded: Encoded, device: Any) -> list[NDArray[Any]]:
    """The logits of each group's documents; the model is left as it was, training or not."""
    import torch

    was_training = model.training
    model.eval()
    passes, places = encoded.passes(range(len(encoded.tokens)))
    with torch.inference_mode():
        logits = [model({name: each.to(device) for name, each in one.items()})["scores"].view(-1) for one in passes]
    model.train(was_training)
    found = torch.cat(logits).float().cpu().numpy()[places] if logits else np.zeros(0)
    return np.split(found, encoded.starts[1:-1])
