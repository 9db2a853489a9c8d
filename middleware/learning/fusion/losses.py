"""What a fusion model learns by: losses over the hits of one search, where unjudged hits count a little, as zeros.

All take scores, targets in [0, 1] and weights in [0, 1], tensors of shape (n,), and the scores before this round of
training, which make an order, None in the first; they give a number, 0 where no two hits differ in target.
"""

from __future__ import annotations

from typing import Any


def ranknet(scores: Any, targets: Any, weights: Any, _before: Any = None) -> Any:
    """The mean of log(1 + exp(s_j - s_i)) over the pairs in which i is to stand before j, each weighing w_i w_j.

    Burges et al., Learning to Rank using Gradient Descent, 2005.
    """
    return _pairwise(scores, targets, weights, 1.0)


def lambda_loss(scores: Any, targets: Any, weights: Any, before: Any = None) -> Any:
    """RankNet, each pair weighing as much as exchanging it in the order `before` would change DCG, with linear gain.

    LambdaRank's weights (Burges, From RankNet to LambdaRank to LambdaMART, 2010), kept for a round and then found anew,
    which makes it a loss that falls from round to round (Wang et al., The LambdaLoss Framework, 2018).
    """
    import torch

    if before is None:
        return ranknet(scores, targets, weights)
    places = torch.argsort(torch.argsort(before, descending=True, stable=True))
    discounts = 1 / torch.log2(places + 2.0)
    changes = (targets[:, None] - targets[None, :]) * (discounts[:, None] - discounts[None, :])
    return _pairwise(scores, targets, weights, changes.abs())


def listnet(scores: Any, targets: Any, weights: Any, _before: Any = None) -> Any:
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
    importance = weights[:, None] * weights[None, :] * is_before * changes
    losses = torch.nn.functional.softplus(scores[None, :] - scores[:, None])
    return (importance * losses).sum() / importance.sum().clamp(min=1e-12)
