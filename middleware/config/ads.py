"""The section of rerank.yml about sponsored hits: off unless an index with ads is named."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from middleware.config.section import Positive, Section

_MOST_PLACE = 100


class AdSettings(Section):
    """Sponsored hits: hits of the search that an advertiser pays to have in a slot of its first page."""

    index: str | None = Field(None, description="Index or alias with the ads (mappings/ads.json); null: no ads.")
    impressions_index: str = Field(
        "ad_impressions", description="Where each showing is logged; budgets and frequencies are counted there."
    )
    slots: tuple[Annotated[int, Field(ge=1, le=_MOST_PLACE)], ...] = Field(
        (1, 5), description="Places of the first page that may be sponsored, from 1."
    )
    share: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.2, description="Most sponsored hits of a page, as a share of its size."
    )
    least_relevance: Annotated[float, Field(ge=0, le=1)] = Field(
        0.3, description="A hit of which the cross-encoder says less is not shown as an ad, whatever is bid."
    )
    per_user_day: Positive = Field(5, description="How often one user sees one ad in 24 hours.")
    refresh_s: Positive = Field(15, description="How old what we know of ads, budgets and frequencies may be.")
    max_ads: Annotated[int, Field(ge=1, le=10_000)] = Field(10_000, description="Most ads read, the best bids first.")

    @field_validator("slots")
    @classmethod
    def _in_order(cls, slots: tuple[int, ...]) -> tuple[int, ...]:
        if not slots or list(slots) != sorted(set(slots)):
            raise ValueError("name places in rising order, each once, such as [1, 5]")
        return slots
