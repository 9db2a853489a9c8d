"""LambdaMART by LightGBM, and its trees as plain data: nothing of LightGBM is needed to serve them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from middleware.errors import CommandError
from middleware.learning.fusion.rows import Rows

# Few and small trees: judgments are counted in thousands, and a fusion model is asked in every search.
_PARAMETERS = {
    "objective": "lambdarank",
    "lambdarank_truncation_level": 20,
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "monotone_constraints_method": "basic",
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
_ROUNDS = 100
# LightGBM wants whole numbers; of targets in [0, 1] these many steps are kept.
_GRADES = 30


def train_trees(rows: Rows, monotone: Sequence[str], seed: int) -> dict[str, Any]:
    """What a document of kind `trees` holds beside its head. Raises CommandError where LightGBM is not installed."""
    try:
        import lightgbm
    except ImportError as error:
        raise CommandError("lightgbm is not installed; pip install 'es-rerank[train]'") from error
    constraints = [int(name in monotone) for name in rows.names]
    grades = np.rint(rows.targets * _GRADES).astype(int)
    gains = [grade / _GRADES for grade in range(_GRADES + 1)]
    parameters = {**_PARAMETERS, "seed": seed, "monotone_constraints": constraints, "label_gain": gains}
    sizes = np.diff((0, *rows.ends))
    data = lightgbm.Dataset(rows.values, label=grades, weight=rows.weights, group=sizes, free_raw_data=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        booster = lightgbm.train(parameters, data, num_boost_round=_ROUNDS)
    return flatten(booster.dump_model())


def flatten(dumped: Mapping[str, Any]) -> dict[str, Any]:
    """Trees as LightGBM's `dump_model` gives them, as arrays of nodes. Raises ValueError for splits of another kind."""
    nodes: dict[str, list[Any]] = {name: [] for name in ("feature", "threshold", "left", "right", "value")}
    roots = [_add(tree["tree_structure"], nodes) for tree in dumped["tree_info"]]
    return {"roots": roots, "nodes": nodes, "scale": 1.0, "bias": 0.0}


def _add(node: Mapping[str, Any], nodes: dict[str, list[Any]]) -> int:
    """Append a node and all below it; its place."""
    place = len(nodes["feature"])
    is_leaf = "split_feature" not in node
    if not is_leaf and node["decision_type"] != "<=":
        raise ValueError(f"a split by {node['decision_type']} cannot be served")
    row = {
        "feature": -1 if is_leaf else node["split_feature"],
        "threshold": 0.0 if is_leaf else node["threshold"],
        "left": place,
        "right": place,
        "value": node["leaf_value"] if is_leaf else node["internal_value"],
    }
    for name, value in row.items():
        nodes[name].append(value)
    if not is_leaf:
        nodes["left"][place] = _add(node["left_child"], nodes)
        nodes["right"][place] = _add(node["right_child"], nodes)
    return place
