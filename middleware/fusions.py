"""The fusion of each variant: a model with the maker of the features that it wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from middleware.config import Settings
from middleware.features.maker import FeatureMaker, Maker, PlainMaker
from middleware.features.table import PROFILE_FEATURES
from middleware.fusion_file import read_fusion_model
from middleware.fusion_models import FusionModel
from middleware.fusion_models.hand_set import HandSet
from middleware.fusion_models.trained import Trained


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the hits of a search get their fused scores."""

    model: FusionModel
    maker: Maker

    def at_strength(self, strength: float) -> Fusion:
        """This fusion with every weight of a profile's features times `strength`."""
        if strength == 1:
            return self
        return replace(self, model=self.model.at_strength(strength))


def hand_set(weights: Mapping[str, float]) -> Fusion:
    """The weighted mean, and the few features that it reads."""
    personal = [name for name in PROFILE_FEATURES if weights.get(name)]
    return Fusion(
        HandSet(weights), PlainMaker(wants_vectors=bool(weights.get("vector_cosine")), profile_features=personal)
    )


def learned(model: Trained) -> Fusion:
    """A trained model, and all that it reads; made once, since the maker remembers the words of documents."""
    return Fusion(model, FeatureMaker(model.features, model.fields))


def load_fusions(settings: Settings) -> dict[str, Fusion]:
    """What the variants name under `fusion` -> that model for good; ServedFusions follows aliases.

    Raises ConfigError, RegistryError.
    """
    sources = {variant.fusion for variant in settings.variants.values() if variant.fusion is not None}
    return {source: learned(read_fusion_model(settings.locate_fusion(source))) for source in sorted(sources)}
