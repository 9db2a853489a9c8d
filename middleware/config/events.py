"""The section of rerank.yml about collecting behaviour: who may send events, where they wait, who writes them."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from middleware.config.section import Positive, Section


class EventSettings(Section):
    """`POST /_rerank/events`. What it acknowledges is safe on disk, and written to the cluster in the background."""

    enabled: bool = Field(True, description="Take events, under `POST /_rerank/events`.")
    allow_origins: tuple[str, ...] = Field(
        (),
        description="Origins (https://HOST) whose pages may send events to another host than their own; `*`: all, but "
        "without credentials. Where some are named, pages of others are refused.",
    )
    queries_index: str = Field("ubi_queries", description="Index or alias for searches; events: profiles.events_index.")
    max_events: Positive = Field(1000, description="Most events in one request.")
    max_bytes: Positive = Field(1024 * 1024, description="Largest body of one request, decompressed.")
    max_event_bytes: Positive = Field(32 * 1024, description="Largest single event.")
    max_future_s: Annotated[int, Field(ge=0)] = Field(
        300, description="An event may be this much ahead of our clock; later ones are refused."
    )
    spool: Path | None = Field(
        None,
        description="Folder on a local disk where records wait for the cluster; default: one per cluster in the cache.",
    )
    spool_max_bytes: Positive = Field(
        256 * 1024 * 1024, description="Most bytes that wait, of all workers together; beyond it clients get 429."
    )
    segment_bytes: Positive = Field(8 * 1024 * 1024, description="Size of one file of the spool.")
    dead_letters_max_bytes: Positive = Field(
        64 * 1024 * 1024, description="Most bytes of records that the cluster refused; beyond it the oldest day goes."
    )
    batch_records: Positive = Field(2000, description="Most records in one `_bulk`.")
    batch_bytes: Positive = Field(4 * 1024 * 1024, description="Most bytes in one `_bulk`.")
    flush_ms: Positive = Field(200, description="Shortest time between two `_bulk` while records come in.")
    timeout_ms: Positive = Field(10_000, description="Longest silence of a node during a `_bulk`; then it is repeated.")
    longest_pause_s: Positive = Field(5, description="Longest pause between attempts while the cluster is away.")
    api_key: SecretStr | None = Field(
        None, description="API key (as the cluster encodes it) for what we write ourselves; wins over a user name."
    )
    api_key_env: str | None = Field(None, description="Environment variable that holds the API key.")
    api_key_file: Path | None = Field(None, description="File that holds the API key.")
    username: str | None = Field(None, description="User name for what we write ourselves.")
    password: SecretStr | None = Field(None, description="Password of that user.")

    @field_validator("allow_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s@?#]+", origin):
                raise ValueError(f"{origin!r}: an origin is https://HOST or https://HOST:PORT, without a path, or *")
        return origins

    @model_validator(mode="after")
    def _credentials_are_there(self) -> Self:
        if self.api_key_env and self.api_key_env not in os.environ:
            raise ValueError(f"api_key_env: the environment has no {self.api_key_env}; set it, or remove the key")
        if self.api_key_file and not self.api_key_file.is_file():
            raise ValueError(f"api_key_file: there is no file {self.api_key_file}; write it, or remove the key")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password: give both, or neither")
        return self

    def authorization(self) -> dict[str, str]:
        """The header with our own credentials, read where it is used; empty where none are configured."""
        if key := self._read_api_key():
            return {"Authorization": f"ApiKey {key}"}
        if self.username is not None and self.password is not None:
            pair = f"{self.username}:{self.password.get_secret_value()}".encode()
            return {"Authorization": f"Basic {b64encode(pair).decode()}"}
        return {}

    def _read_api_key(self) -> str:
        if self.api_key is not None:
            return self.api_key.get_secret_value().strip()
        if self.api_key_file:
            return "".join(self.api_key_file.read_text(encoding="utf-8").split())
        return "".join(os.environ.get(self.api_key_env, "").split()) if self.api_key_env else ""
