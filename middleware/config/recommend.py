"""The section of rerank.yml about recommendations: where their data lies, how many are looked at, how they differ."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from middleware.config.section import Positive, Section


class RecommendSettings(Section):
    """`GET /{index}/_rerank/recommend`: for you, similar, bought together, popular."""

    enabled: bool = Field(True, description="Answer /{index}/_rerank/recommend.")
    window: Annotated[int, Field(ge=1, le=1000)] = Field(
        50, description="How many candidates are reranked; pages are cut from so many."
    )
    candidates: Annotated[int, Field(ge=1, le=10_000)] = Field(
        500, description="How many each source gives, so that enough pass the client's filter."
    )
    budget_ms: Positive = Field(500, description="Time for one answer; without the model's scores where it is short.")
    diversity: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="0: by relevance alone; 1: as unlike those before as can be (1 - lambda of MMR)."
    )
    hide_bought: bool = Field(True, description="Leave out what the user has bought, where it is for this user.")
    refresh_minutes: Positive = Field(10, description="How often the catalogue of vectors is read anew.")
    max_products: Positive = Field(
        200_000, description="Most products whose vectors each worker holds, 384 bytes and their names each."
    )
    actions: tuple[str, ...] = Field(
        ("purchase", "add_to_cart"), description="The action_names that `build` takes for having bought."
    )
    together_days: Annotated[float, Field(gt=0)] = Field(
        30.0, description="A user bought two products together where no more days lie between them."
    )
    together: Annotated[int, Field(ge=1, le=1000)] = Field(
        50, description="Products bought together that are kept of each product."
    )
