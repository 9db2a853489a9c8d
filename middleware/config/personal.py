"""The section of a variant that says how much a user's profile may change the order."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from middleware.config.section import Section


class PersonalSettings(Section):
    """How strongly a profile counts, how far it may move a hit, and which queries it leaves alone."""

    strength: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = Field(
        1.0, description="The weights of all profile features are multiplied by this; 0: no profile is used."
    )
    most_ranks: Annotated[int, Field(ge=0)] | None = Field(
        20,
        description="Most places that a hit moves up or down against the order without the profile; 0: none, "
        "null: any number.",
    )
    spare_navigational: bool = Field(
        True,
        description="No profile is used where the query names one product, by its model number or its whole title.",
    )
