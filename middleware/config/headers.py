"""The section of rerank.yml about the names of our request and response headers."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from middleware.config.section import Section


class HeaderSettings(Section):
    """Names of our request and response headers."""

    switch: str = Field(
        "X-Rerank",
        description="Request: on, off, control or a variant. Response: applied, skipped, fallback.",
    )
    user: str = Field("X-Rerank-User", description="Whose profile to use; also the unit of the A/B split.")
    consent: str = Field(
        "X-Rerank-Consent",
        description="none: no profile of this user is read, and nothing of theirs is kept. all: as without the header. "
        "Whatever else stands there counts as none.",
    )
    admin_token: str = Field("X-Rerank-Admin-Token", description="The secret of privacy.admin_token.")
    budget_ms: str = Field("X-Rerank-Budget-Ms", description="Budget of this search's second stage.")
    reason: str = Field("X-Rerank-Reason", description="Why a search was skipped or fell back.")
    variant: str = Field("X-Rerank-Variant", description="The variant that answered.")
    model: str = Field("X-Rerank-Model", description="The model that scored.")
    window: str = Field(
        "X-Rerank-Window",
        description="How many hits are in our order: the window, or where nothing is estimated, as many as were read.",
    )
    depth: str = Field("X-Rerank-Depth", description="How many of them the cross-encoder read.")
    sponsored: str = Field("X-Rerank-Sponsored", description="Places of the page's sponsored hits, from 1.")
    candidates: str = Field("X-Rerank-Candidates", description="Where recommendations came from.")

    @property
    def withheld(self) -> tuple[str, ...]:
        """Those that the cluster does not get: they are about a person, or a secret of ours."""
        return (self.user, self.consent, self.admin_token)

    @field_validator("*")
    @classmethod
    def _header_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError("not the name of an HTTP header")
        return name
