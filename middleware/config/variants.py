"""The sections of variants: which model, how many hits, what makes one score of their features, and who gets which."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from middleware.config.cascade import CascadeSettings
from middleware.config.personal import PersonalSettings
from middleware.config.section import Section
from middleware.fusion_file import read_fusion_model
from middleware.registry_reference import is_reference

Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class WeightSettings(Section):
    """Weights of the fused score; what counts is a weight's share of the sum over the features a search has."""

    cross_encoder: Weight = Field(1.0, description="The cross-encoder's score.")
    first_stage: Weight = Field(0.25, description="Elasticsearch's score, scaled to 0..1 within the window.")
    brand_affinity: Weight = Field(
        0.3, description="How much more the user chose this hit's brand than the window offers it."
    )
    category_affinity: Weight = Field(
        0.1, description="Likewise its category; little, since a query mostly says which category is meant."
    )
    attribute_affinity: Weight = Field(0.3, description="Likewise its attributes (indices.NAME.features.attributes).")
    price_fit: Weight = Field(0.3, description="Likewise its price.")
    vector_affinity: Weight = Field(
        0.1,
        description="How near the hit's vector is to the user's; needs indices.NAME.vectors. Little, since it gained "
        "nothing beside the affinities in scripts/bench_personal.py.",
    )
    session_affinity: Weight = Field(
        0.1, description="How near the hit's vector is to what the user did in this session."
    )
    bought_before: Weight = Field(
        0.05, description="The user bought this product; more where people buy the same again, as groceries."
    )
    cluster_popularity: Weight = Field(0.05, description="How much users like this one look at and buy this product.")
    vector_cosine: Weight = Field(
        0.0, description="Cosine of the query's and the hit's vectors, scaled to 0..1; needs indices.NAME.vectors."
    )


class VariantSettings(Section):
    """One configuration of the second stage; what is null comes from the index, then from the default variant."""

    model: str | None = Field(None, description="A name under models.")
    window: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="How many first-stage hits are reranked."
    )
    weights: WeightSettings = Field(WeightSettings(), description="Fusion weights.")
    fusion: str | None = Field(
        None,
        description="File of a fusion model that `es-rerank train fusion` made, or registry:NAME[@ALIAS or @VERSION]; "
        "it stands in for the weights.",
    )
    personal: PersonalSettings = Field(PersonalSettings(), description="How much a profile may change.")
    cascade: CascadeSettings = Field(CascadeSettings(), description="What the cross-encoder need not read.")

    @field_validator("fusion")
    @classmethod
    def _readable_fusion(cls, fusion: str | None) -> str | None:
        if fusion is not None and not is_reference(fusion):
            read_fusion_model(Path(fusion))
        return fusion


class ExperimentSettings(Section):
    """How users are split when the switch header is absent."""

    salt: str = Field("es-rerank", description="Change it to draw a new split.")
    split: Mapping[str, Weight] = Field(
        {}, description="Variant (or control) to share; shares are relative. Empty: no experiment."
    )
