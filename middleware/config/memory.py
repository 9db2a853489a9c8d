"""The sections of rerank.yml about what is remembered between searches: rankings and scores."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from middleware.config.section import Positive, Section


class RankingSettings(Section):
    """How long the ranking of a window is remembered, so that its next pages are cut from the same order at no cost."""

    ttl_s: Annotated[int, Field(ge=0)] = Field(60, description="How long; 0: rerank every page anew.")
    size: Positive = Field(1000, description="Rankings remembered at once by each worker.")


class ScoreSettings(Section):
    """The memory of the models' scores: a pair that was scored costs nothing when it is searched again."""

    max_bytes: Annotated[int, Field(ge=0)] = Field(
        64 * 1024 * 1024, description="Memory of each worker for scores, 160 bytes each; 0: every pair is scored anew."
    )
    redis_url: SecretStr | None = Field(
        None, description="A Redis that all workers share, such as redis://HOST:6379/0."
    )
    redis_timeout_ms: Positive = Field(5, description="A Redis that takes longer is not waited for.")
    redis_ttl_s: Positive = Field(86_400, description="How long a score stays in Redis.")
