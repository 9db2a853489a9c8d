"""What a fusion model learns by: losses over the hits of one search, where unjudged hits count a little, as zeros.

All take scores, targets in [0, 1] and weights in [0, 1], tensors of shape (n,), and give a number; 0 where no two
hits differ in target, since there is nothing to learn then.
"""

from __future__ import annotations

from typing import Any


def ranknet(scores: Any, targets: Any, weights: Any) -> Any:
    """The mean of log(1 + exp(s_j - s_i)) over the pairs in which i is to stand before j, each weighing w_i w_j.

    Burges et al., Learning to Rank using Gradient Descent, 2005.
    """
    return _pairwise(scores, targets, weights, 1.0)


def lambda_loss(scores: Any, targets: Any, weights: Any) -> Any:
    """RankNet, each pair weighing as much as exchanging it now would change nDCG, with linear gain.

    LambdaRank, as Burges, From RankNet to LambdaRank to LambdaMART, 2010, defines it.
    """
    import torch

    places = torch.argsort(torch.argsort(scores.detach(), descending=True, stable=True))
    discounts = 1 / torch.log2(places + 2.0)
    ideal = (torch.sort(targets, descending=True).values / torch.log2(torch.arange(len(targets)) + 2.0)).sum()
    changes = (targets[:, None] - targets[None, :]) * (discounts[:, None] - discounts[None, :])
    return _pairwise(scores, targets, weights, changes.abs() / ideal.clamp(min=1e-12))


def listnet(scores: Any, targets: Any, weights: Any) -> Any:
    """Cross-entropy of the targets' shares of their sum with the softmax of the scores; weights scale exponentials.

    ListNet's top-one probabilities (Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach, 2007),
    with the targets themselves for the truth. A hit of weight w is as likely to be there as w hits like it.
    """
    import torch

    if targets.max() == targets.min():
        return scores.sum() * 0
    logits = torch.where(weights > 0, scores + torch.log(weights.clamp(min=1e-12)), -torch.inf)
    shares = torch.log_softmax(logits, dim=0)
    return -(targets / targets.sum() * torch.where(weights > 0, shares, 0.0)).sum()


LOSSES = {"ranknet": ranknet, "listnet": listnet, "lambda": lambda_loss}


def _pairwise(scores: Any, targets: Any, weights: Any, changes: Any) -> Any:
    import torch

    is_before = targets[:, None] > targets[None, :]
    importance = weights[:, None] * weights[None, :] * is_before
    losses = torch.nn.functional.softplus(scores[None, :] - scores[:, None]) * changes
    return (importance * losses).sum() / importance.sum().clamp(min=1e-12)
