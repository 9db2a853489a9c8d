"""What every section of rerank.yml shares, apart from the sections, so that they can live in modules of their own."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """One section of rerank.yml; unknown keys are errors, values never change after start."""

    model_config = ConfigDict(frozen=True, extra="forbid")
