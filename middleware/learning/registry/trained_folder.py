"""What a training left beside its model, as a manifest wants it, so that nothing of it is typed again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from middleware.errors import CommandError
from middleware.registry.manifest import FUSION_FILE, MAIN_MEASURE, DataFingerprint, Kind

TRAINING_FILE, CHECKPOINTS, GROUPS_FILE = "training.json", "checkpoints", "groups.jsonl"
"""As `es-rerank train reranker` writes them: the first last of all, the second gone by then; what it learned from."""
STARTER = "starter"

_CROSS_VALIDATION = "cross_validation"


@dataclass(frozen=True, slots=True)
class Description:
    """As in a Manifest; what a folder does not tell is empty."""

    kind: Kind
    base: str | None = None
    max_tokens: int | None = None
    data: Mapping[str, DataFingerprint] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


def describe(folder: Path) -> Description:
    """What `train reranker` or `train fusion` left in a folder. Raises CommandError for an unfinished training."""
    if (folder / FUSION_FILE).is_file():
        return _fusion(_read(folder / FUSION_FILE))
    if (folder / TRAINING_FILE).is_file():
        groups = folder / GROUPS_FILE
        data = {"groups": DataFingerprint.of_file(groups)} if groups.is_file() else {}
        return replace(_reranker(_read(folder / TRAINING_FILE)), data=data)
    if (folder / CHECKPOINTS).is_dir():
        raise CommandError(f"{folder}: its training is not finished; start it again, and it goes on")
    return Description("cross_encoder")


def _reranker(told: Mapping[str, Any]) -> Description:
    recipe = _mapping(told.get("recipe"))
    measured = told.get("ndcg")
    counts = {name: told[name] for name in ("groups", "pairs", "held_out_groups", "steps", "best_step") if name in told}
    return Description(
        "cross_encoder",
        recipe.get("base") or (STARTER if recipe else None),
        recipe.get("max_tokens"),
        measures={MAIN_MEASURE: float(measured)} if isinstance(measured, int | float) else {},
        recipe={**recipe, **counts},
    )


def _fusion(document: Mapping[str, Any]) -> Description:
    """Its measures are those of its own kind of model by cross-validation."""
    made_of = _mapping(document.get("made_of"))
    validated = next((_mapping(each) for name, each in made_of.items() if name.startswith(_CROSS_VALIDATION)), {})
    own = _mapping(validated.get(str(document.get("kind"))))
    names = {"unjudged_as_0": MAIN_MEASURE, "judged_only": f"{MAIN_MEASURE} judged only"}
    measures = {names.get(name, name): float(value) for name, value in own.items() if isinstance(value, int | float)}
    recipe = {name: each for name, each in made_of.items() if not name.startswith(_CROSS_VALIDATION)}
    about = {name: document[name] for name in ("kind", "features", "fields", "monotone") if name in document}
    return Description("fusion", measures=measures, recipe=recipe | about)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: cannot be read: {error}") from error


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
