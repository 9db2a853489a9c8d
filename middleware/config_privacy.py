"""The section of rerank.yml about what may be known of people: under which names, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from middleware.config_section import Positive, Section


class PrivacySettings(Section):
    """How users are kept apart from their names. Everything that we write names them by a keyed hash alone."""

    key: SecretStr | None = Field(
        None, description="Secret from which users' hashes are made, the same in every process; wins over key_file."
    )
    key_file: Path | None = Field(
        None, description="File that holds the secret; default: `privacy.key` in the cache, made where it is missing."
    )
    retention_days: Positive = Field(365, description="`es-rerank privacy purge` removes what is older.")
    least_users: Annotated[int, Field(ge=1)] = Field(
        20, description="Statistics of fewer users than these are neither kept nor shown (k-anonymity)."
    )
