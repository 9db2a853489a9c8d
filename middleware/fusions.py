"""The fusion of each variant: a model with the maker of the features that it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from middleware.config import Settings
from middleware.features.maker import FeatureMaker, Maker, PlainMaker
from middleware.fusion_file import read_fusion_model
from middleware.fusion_models import FusionModel
from middleware.fusion_models.hand_set import HandSet
from middleware.fusion_models.trained import Trained


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the hits of a search get their fused scores."""

    model: FusionModel
    maker: Maker


_PLAIN, _WITH_VECTORS = PlainMaker(wants_vectors=False), PlainMaker(wants_vectors=True)


def hand_set(weights: Mapping[str, float]) -> Fusion:
    """The weighted mean, and the few features that it reads."""
    return Fusion(HandSet(weights), _WITH_VECTORS if weights.get("vector_cosine") else _PLAIN)


def learned(model: Trained) -> Fusion:
    """A trained model, and all that it reads; made once, since the maker remembers the words of documents."""
    return Fusion(model, FeatureMaker(model.features, model.fields))


def load_fusions(settings: Settings, locate: Callable[[str], Path] = Path) -> dict[str, Fusion]:
    """What the variants name under `fusion` -> that model; `locate` finds its file or folder. Raises ConfigError."""
    sources = {variant.fusion for variant in settings.variants.values() if variant.fusion is not None}
    return {source: learned(read_fusion_model(locate(source))) for source in sorted(sources)}
