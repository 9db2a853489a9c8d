"""Settings of a model that runs elsewhere; the only place that reads the key for its servers."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from middleware.config.section import Positive, Section


class RemoteSettings(Section):
    """A server that scores in our place. Where it is and how it is asked stands here alone, never in a request."""

    servers: tuple[str, ...] = Field(
        min_length=1, description="http://HOST:PORT, https://HOST:PORT or unix:PATH; a path in a URL is the call's own."
    )
    api: Literal["tei", "jina", "cohere", "cohere_v1", "vllm", "infinity", "rerank"] = Field(
        "tei",
        description="tei: `/rerank` of text-embeddings-inference or of `es-rerank scorer`; the others: `/v1/rerank`.",
    )
    api_key_env: str | None = Field(None, description="Environment variable that holds the key for the servers.")
    api_key_file: Path | None = Field(None, description="File that holds the key for the servers.")
    connections: Positive = Field(8, description="Requests in flight at once, and connections kept to each server.")
    connect_timeout_ms: Positive = Field(250, description="Time to open a connection; then the next server is asked.")
    timeout_ms: Positive = Field(1000, description="Time for all attempts together; never more than `budget_ms`.")
    max_documents: Positive = Field(1000, description="Documents in one request; a TEI server's own limit wins.")
    logits: bool = Field(False, description="The servers answer with logits: their sigmoid is the score.")
    hedge_ms: Annotated[int, Field(ge=0)] = Field(
        0, description="Ask a second server, too, when the first is silent for this long; 0: never."
    )

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            parts = urlsplit(server)
            if parts.username is not None:
                raise ValueError("no credentials in a server's URL; use api_key_env or api_key_file")
            if not re.fullmatch(r"unix:/.+", server) and (parts.scheme not in ("http", "https") or not parts.hostname):
                raise ValueError(f"{server!r}: a server is http://HOST:PORT, https://HOST:PORT or unix:/PATH")
            _ = parts.port  # raises ValueError where it is no port
        return servers

    @model_validator(mode="after")
    def _key_is_there(self) -> Self:
        if self.api_key_env and self.api_key_env not in os.environ:
            raise ValueError(f"api_key_env: the environment has no {self.api_key_env}; set it, or remove the key")
        if self.api_key_file and not self.api_key_file.is_file():
            raise ValueError(f"api_key_file: there is no file {self.api_key_file}; write it, or remove the key")
        return self

    def read_api_key(self) -> str | None:
        """The key, read where it is used, so that no dump of the settings holds it."""
        if self.api_key_file:
            return "".join(self.api_key_file.read_text(encoding="utf-8").split())
        return "".join(os.environ.get(self.api_key_env, "").split()) if self.api_key_env else None
