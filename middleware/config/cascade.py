"""The section of a variant that says what its cross-encoder need not read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from middleware.config.section import Positive, Section


class CascadeSettings(Section):
    """How many hits of a window the cross-encoder reads, where the model has an estimator; without one, all of them."""

    enabled: bool = Field(True, description="Estimate every score first, and read the hits that may reach the page.")
    depth: Positive | None = Field(
        None, description="Most hits that are read; default: what `es-rerank models cascade` found to be enough."
    )
    page: Positive = Field(10, description="Places at the top that count: reading ends when they are decided.")
    early_stop: bool = Field(True, description="End before `depth` where the top is decided.")
    certainty: Annotated[float, Field(ge=0.5, le=1)] = Field(
        0.8, description="Chance, for each hit left unread, that it is rightly so; 1: only where it is sure."
    )
