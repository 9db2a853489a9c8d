"""The section of rerank.yml about user profiles: what they are made of, and how long a search waits for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from middleware.config.section import Positive, Section
from middleware.config.variants import Weight


class ProfileSettings(Section):
    """How a user's profile is read from the events index."""

    enabled: bool = Field(True, description="Use profile features where the user header is present.")
    index: str = Field("profiles", description="Index that `es-rerank profiles build` keeps profiles in.")
    events_index: str = Field("ubi_events", description="Index or alias with UBI events.")
    products_index: str = Field("products", description="Index or alias with the products that events name.")
    id_field: str | None = Field(None, description="Field that holds the events' object_id; default: _id.")
    max_events: Annotated[int, Field(ge=1, le=10_000)] = Field(500, description="Newest events read for one user.")
    half_life_days: Annotated[float, Field(gt=0)] = Field(30.0, description="An event counts half after this long.")
    action_weights: Mapping[str, Weight] = Field(
        {"view": 1.0, "click": 2.0, "add_to_cart": 4.0, "purchase": 8.0},
        description="Weight of each UBI action_name.",
    )
    smoothing: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Pseudo-count: a profile with this much weight counts half."
    )
    session_minutes: Positive = Field(30, description="What a user did in so many minutes is the session.")
    budget_ms: Positive = Field(150, description="A profile not there by then is left out of this search.")
    cache_ttl_s: Positive = Field(30, description="How long a stored profile is remembered.")
    fresh_ttl_s: Annotated[float, Field(gt=0)] = Field(
        1.0, description="How long a user's newest events are remembered: behind a click a search is at most so old."
    )
    statistics_ttl_s: Positive = Field(
        300, description="How long statistics of clusters, and products, are remembered."
    )
    cache_size: Positive = Field(10_000, description="Profiles, and products, remembered at once.")
