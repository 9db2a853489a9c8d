"""The section of rerank.yml about what may be known of people: under which names, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from middleware.config.section import Positive, Section

LEAST_TOKEN_CHARS = 16


class PrivacySettings(Section):
    """How users are kept apart from their names. Everything that we write names them by a keyed hash alone."""

    key: SecretStr | None = Field(
        None, description="Secret from which users' hashes are made, the same in every process; wins over key_file."
    )
    key_file: Path | None = Field(
        None, description="File that holds the secret; default: `privacy.key` in the cache, made where it is missing."
    )
    old_keys: tuple[SecretStr, ...] = Field(
        (), description="Secrets in force before: documents under their hashes are still given out and erased."
    )
    endpoints: bool = Field(True, description="Serve `/_rerank/profiles/{id}`, which gives out and erases a user.")
    admin_token: SecretStr | None = Field(
        None,
        description="Secret that `/_rerank/profiles/{id}` asks for, in a header; null: the cluster's access alone.",
    )
    exposures_index: str = Field("exposures", description="Index or alias with what users were shown.")
    erasures_index: str = Field(
        "erasures", description="Index that keeps whose data was erased when, by hash, so that none of it comes back."
    )
    retention_days: Positive = Field(365, description="`es-rerank privacy purge` removes what is older.")
    least_users: Annotated[int, Field(ge=1)] = Field(
        20, description="Statistics of fewer users than these are neither kept nor shown (k-anonymity)."
    )

    @field_validator("admin_token")
    @classmethod
    def _hard_to_guess(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < LEAST_TOKEN_CHARS:
            raise ValueError(f"give a secret of at least {LEAST_TOKEN_CHARS} characters")
        return token
