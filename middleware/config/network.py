"""The sections of rerank.yml on both sides of the proxy: the cluster that it asks, and where it listens itself."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from middleware.config.section import Positive, Section


class UpstreamSettings(Section):
    """The cluster behind us."""

    urls: tuple[str, ...] = Field(
        ("http://localhost:9200",),
        min_length=1,
        description="Nodes, tried in order of health; http or https.",
    )
    ca_file: Path | None = Field(
        None, description="CA bundle that signs the nodes' certificates; default: the system's."
    )
    insecure: bool = Field(False, description="Accept any certificate. Only for tests.")
    connect_timeout_ms: Positive = Field(1000, description="Time to open a connection to one node.")
    read_timeout_ms: Positive = Field(600_000, description="Longest silence of a node while it answers.")
    host_header: Literal["auto", "client", "upstream"] = Field(
        "auto", description="Host that the nodes see: the client's, or their own; auto: their own over https."
    )
    pool_size: Positive = Field(64, description="Connections kept open to each node.")
    retry_dead_node_ms: Positive = Field(
        1000, description="How long a node that could not be reached is passed over; doubles up to 32 times this."
    )

    @field_validator("urls")
    @classmethod
    def _http_urls(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url!r}: an upstream URL is http://HOST:PORT or https://HOST:PORT")
            if parts.username is not None:
                raise ValueError("no credentials in upstream URLs: each client sends its own")
            if parts.query or parts.fragment:
                raise ValueError(f"{url!r}: an upstream URL has no query")
            _ = parts.port  # raises ValueError where it is no port
        return tuple(url.rstrip("/") for url in urls)

    @field_validator("ca_file")
    @classmethod
    def _existing_ca_file(cls, ca_file: Path | None) -> Path | None:
        if ca_file is not None and not ca_file.is_file():
            raise ValueError("no such file; give the path of a PEM bundle")
        try:
            ssl.create_default_context(cafile=ca_file)
        except (ssl.SSLError, OSError) as error:
            raise ValueError("holds no certificate; give the path of a PEM bundle") from error
        return ca_file


class ServerSettings(Section):
    """The proxy's own listening side."""

    bind: str = Field(
        "127.0.0.1:9280", description="host:port, or unix:PATH, a socket for its owner and group alone (mode 0660)."
    )
    workers: Positive = Field(1, description="Processes; each loads its own copy of the model.")
    threads: Positive = Field(32, description="Requests served at once by each worker.")
    graceful_timeout_s: Positive = Field(30, description="How long requests in flight may finish at stop or reload.")
    client_timeout_s: Positive = Field(
        60,
        description="Time a client has for a request's head; longest silence while it sends a body or reads an answer.",
    )
    max_search_bytes: Positive = Field(4 * 1024 * 1024, description="A larger search body is passed through.")
    max_response_bytes: Positive = Field(64 * 1024 * 1024, description="A larger first-stage answer is not reranked.")

    @field_validator("bind")
    @classmethod
    def _address(cls, bind: str) -> str:
        if not re.fullmatch(r"unix:.+|(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}", bind):
            raise ValueError("give host:port, such as 0.0.0.0:9280, or unix:PATH")
        return bind
