"""Training of fusion models: a linear one or a small network in torch, boosted trees in LightGBM, or all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from middleware.errors import CommandError
from middleware.fusion import FloatArray
from middleware.fusion_models.document import read_model
from middleware.learning.fusion.losses import LOSSES
from middleware.learning.fusion.rows import Rows
from middleware.learning.fusion.trees import train_trees

Document = dict[str, Any]

KINDS = ("linear", "network", "trees")
AVERAGE = "average"
_MOST_STEPS = 200
# Of the lambda loss, whose weights follow the order that was reached.
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what comes out of a training, but for the data.

    `l2`: pull of the weights towards 0, of scaled features. `units`: of the network's hidden layer.
    """

    kind: str = "linear"
    loss: str = "listnet"
    monotone: Sequence[str] = ()
    fields: Sequence[str] = ()
    l2: float = 0.03
    units: int = 8
    seed: int = 0


def train(rows: Rows, recipe: Recipe) -> Document:
    """A calibrated fusion model as a document. Raises CommandError where a package is missing."""
    if recipe.kind == AVERAGE:
        members = [train(rows, replace(recipe, kind=kind)) for kind in KINDS]
        return {**_head(AVERAGE, rows, recipe), "members": members}
    trainers: Mapping[str, Callable[[Rows, Recipe], Document]] = {
        "linear": _train_linear,
        "network": _train_network,
        "trees": lambda rows, recipe: train_trees(rows, recipe.monotone, recipe.seed),
    }
    return calibrate({**_head(recipe.kind, rows, recipe), **trainers[recipe.kind](rows, recipe)}, rows)


def calibrate(document: Document, rows: Rows) -> Document:
    """The document with its logits moved and stretched so that the fused score is the target to be expected.

    Platt, Probabilistic Outputs for Support Vector Machines, 1999; the stretch never turns the order round. By it
    several models speak of the same thing, and can be averaged.
    """
    torch = _torch()
    logits = torch.from_numpy(read_model(document).logits(rows.values))
    targets, weights = torch.from_numpy(rows.targets), torch.from_numpy(rows.weights)
    root, offset = (torch.tensor(start, dtype=torch.double, requires_grad=True) for start in (1.0, 0.0))

    def loss() -> Any:
        entropies = torch.nn.functional.binary_cross_entropy_with_logits(
            root**2 * logits + offset, targets, weight=weights, reduction="sum"
        )
        return entropies / weights.sum() + 1e-4 * (root**2 - 1) ** 2 + 1e-4 * offset**2

    _minimise(torch, [root, offset], loss)
    return _stretched(document, root.item() ** 2, offset.item())


def _train_linear(rows: Rows, recipe: Recipe) -> Document:
    torch = _torch()
    free = torch.full((len(rows.names),), 0.1, dtype=torch.double, requires_grad=True)
    is_monotone = _mask(torch, rows, recipe)

    def weights() -> Any:
        return torch.where(is_monotone, free**2, free)

    values = _scaled(torch, rows)
    _learn(torch, [free], rows, recipe, lambda: (values @ weights(), recipe.l2 * (weights() ** 2).sum()))
    return {**_scaling(rows), "weights": dict(zip(rows.names, weights().tolist(), strict=True)), "bias": 0.0}


def _train_network(rows: Rows, recipe: Recipe) -> Document:
    """Weights behind a feature that it must be monotone in, and all behind the hidden layer, are squares."""
    torch = _torch()
    drawn = torch.Generator().manual_seed(recipe.seed)
    shape = (recipe.units, len(rows.names))
    hidden = (0.3 * torch.randn(shape, generator=drawn, dtype=torch.double)).requires_grad_(True)
    hidden_bias = torch.randn(recipe.units, generator=drawn, dtype=torch.double).requires_grad_(True)
    output = torch.full((recipe.units,), 0.5, dtype=torch.double, requires_grad=True)
    is_monotone, values = _mask(torch, rows, recipe), _scaled(torch, rows)

    def hidden_weights() -> Any:
        return torch.where(is_monotone, hidden**2, hidden)

    def forward() -> tuple[Any, Any]:
        scores = torch.tanh(values @ hidden_weights().T + hidden_bias) @ output**2
        return scores, recipe.l2 / 2 * ((hidden_weights() ** 2).sum() + (output**4).sum())

    _learn(torch, [hidden, hidden_bias, output], rows, recipe, forward)
    weights = {"hidden": hidden_weights(), "hidden_bias": hidden_bias, "output": output**2}
    return {**_scaling(rows), **{name: value.tolist() for name, value in weights.items()}, "bias": 0.0}


def _learn(
    torch: Any, parameters: list[Any], rows: Rows, recipe: Recipe, forward: Callable[[], tuple[Any, Any]]
) -> None:
    """Minimise the mean loss of the searches plus a pull of the weights; `forward` gives scores and pull."""
    loss, targets, weights = LOSSES[recipe.loss], torch.from_numpy(rows.targets), torch.from_numpy(rows.weights)
    for number in range(_ROUNDS if recipe.loss == "lambda" else 1):
        before = forward()[0].detach() if number else None

        def whole(before: Any = before) -> Any:
            scores, pull = forward()
            losses = [
                loss(scores[part], targets[part], weights[part], None if before is None else before[part])
                for part in rows.searches
            ]
            return torch.stack(losses).mean() + pull

        _minimise(torch, parameters, whole)


def _minimise(torch: Any, parameters: list[Any], loss: Callable[[], Any]) -> None:
    """Full batches by L-BFGS: with so little data there is nothing to be gained by chance."""
    optimizer = torch.optim.LBFGS(parameters, max_iter=_MOST_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    if not all(bool(torch.isfinite(parameter).all()) for parameter in parameters):
        raise CommandError("the training diverged: its weights are not finite; try another --loss")


def _stretched(document: Document, factor: float, offset: float) -> Document:
    """The document of factor * logit + offset."""
    match document["kind"]:
        case "linear":
            weights = {name: factor * weight for name, weight in document["weights"].items()}
            return {**document, "weights": weights, "bias": factor * document["bias"] + offset}
        case "network":
            output = [factor * weight for weight in document["output"]]
            return {**document, "output": output, "bias": factor * document["bias"] + offset}
        case _:
            scale = factor * document["scale"]
            return {**document, "scale": scale, "bias": factor * document["bias"] + offset}


def _head(kind: str, rows: Rows, recipe: Recipe) -> Document:
    monotone = [name for name in rows.names if name in recipe.monotone]
    return {"kind": kind, "features": list(rows.names), "fields": list(recipe.fields), "monotone": monotone}


def _scaling(rows: Rows) -> Document:
    mean, deviation = rows.scaling()
    by_name = {"mean": _by_name(rows, mean), "deviation": _by_name(rows, deviation)}
    return {"scaling": by_name}


def _by_name(rows: Rows, values: FloatArray) -> dict[str, float]:
    return dict(zip(rows.names, values.tolist(), strict=True))


def _scaled(torch: Any, rows: Rows) -> Any:
    mean, deviation = rows.scaling()
    return torch.from_numpy((rows.values - mean) / deviation)


def _mask(torch: Any, rows: Rows, recipe: Recipe) -> Any:
    return torch.from_numpy(np.array([name in recipe.monotone for name in rows.names]))


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise CommandError("torch is not installed; pip install 'es-rerank[train]'") from error
    return torch
