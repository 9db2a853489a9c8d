"""A connection for offline work: one elasticsearch-py 9 client for Elasticsearch 7.17 to 9 and for OpenSearch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from elastic_transport import (
    HttpHeaders,
    TlsError,
    TransportError,
    Urllib3HttpNode,
)
from elastic_transport.client_utils import DEFAULT, DefaultType
from elasticsearch import ApiError, Elasticsearch

from middleware.config.network import UpstreamSettings
from middleware.errors import CommandError, ConfigError

if TYPE_CHECKING:
    from elastic_transport._node import NodeApiResponse

PLAIN_MEDIA_TYPES = {
    "application/vnd.elasticsearch+json": "application/json",
    "application/vnd.elasticsearch+x-ndjson": "application/x-ndjson",
}
DEFAULT_PORTS = {"http": 80, "https": 443}
REQUEST_TIMEOUT_S = 90.0
Answer = TypeVar("Answer")


class PlainNode(Urllib3HttpNode):
    """A node spoken to in plain media types, whose answers pass the client's product check.

    elasticsearch-py 9 asks for `application/vnd.elasticsearch+json; compatible-with=9`, which older clusters and
    OpenSearch refuse, and it refuses answers without Elasticsearch's product header, which OpenSearch does not send.
    """

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> NodeApiResponse:
        """Raises elastic_transport.ConnectionError, ConnectionTimeout or TlsError, as every node class does."""
        plain = HttpHeaders(headers or {})
        for name in ("accept", "content-type"):
            if name in plain:
                plain[name] = ",".join(_plain_media_type(part) for part in plain[name].split(","))
        answer = super().perform_request(method, target, body, plain, request_timeout)
        if 200 <= answer.meta.status < 300 and "x-elastic-product" not in answer.meta.headers:
            named = HttpHeaders({**answer.meta.headers, "x-elastic-product": "Elasticsearch"})
            object.__setattr__(answer.meta, "headers", named)
        return answer


def _plain_media_type(media_type: str) -> str:
    name = media_type.split(";", 1)[0].strip()
    return PLAIN_MEDIA_TYPES.get(name, media_type.strip())


@dataclass(frozen=True, slots=True)
class Access:
    """How to prove who we are, and whom we trust."""

    user: str | None = None
    password: str | None = None
    api_key: str | None = None
    ca_file: Path | None = None
    insecure: bool = False

    def trusting(self, upstream: UpstreamSettings) -> Access:
        """The same person, who trusts whom the proxy trusts."""
        return replace(self, ca_file=upstream.ca_file, insecure=upstream.insecure)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What answers at a URL: `distribution` is elasticsearch or opensearch."""

    distribution: str
    version: str


def connect(url: str, access: Access | None = None) -> Elasticsearch:
    """A client for the cluster at `url` (user:password@ in it is understood); talks to nobody yet.

    Raises ConfigError where the URL or the access cannot be used.
    """
    access = access or Access()
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError("--url", url, "give an address such as http://localhost:9200")
    if access.ca_file is not None and not access.ca_file.is_file():
        raise ConfigError("--ca-file", str(access.ca_file), "no such file; give the path of a PEM bundle")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    options: dict[str, Any] = _credentials(access, parts.username, parts.password)
    if parts.scheme == "https":
        options |= {"verify_certs": not access.insecure, "ssl_show_warn": False}
        options |= {"ca_certs": str(access.ca_file)} if access.ca_file else {}
    return Elasticsearch(
        f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}",
        node_class=PlainNode,
        request_timeout=REQUEST_TIMEOUT_S,
        retry_on_timeout=False,
        max_retries=0,
        **options,
    )


def _credentials(access: Access, url_user: str | None, url_password: str | None) -> dict[str, Any]:
    user = access.user or (unquote(url_user) if url_user else None)
    password = access.password or (unquote(url_password) if url_password else None)
    if access.api_key and user:
        raise ConfigError("--api-key", "...", "give an API key or a user, not both")
    if access.api_key:
        return {"api_key": access.api_key}
    return {"basic_auth": (user, password or "")} if user else {}


def describe_cluster(client: Elasticsearch) -> Cluster:
    """What the cluster says of itself. Raises CommandError, one line that names the URL, where nobody answers."""
    version = ask(client, client.info).get("version", {})
    if not isinstance(version, dict) or "number" not in version:
        raise CommandError(
            f"{address(client)} answers, but not as Elasticsearch or OpenSearch do; check --url or upstream.urls"
        )
    return Cluster(version.get("distribution", "elasticsearch"), version["number"])


def address(client: Elasticsearch) -> str:
    """The URL that `client` talks to, without credentials."""
    return next(iter(client.transport.node_pool.all())).base_url


def ask(client: Elasticsearch, call: Callable[[], Any]) -> Any:
    """The body of `call()`; every failure of the client becomes one CommandError line."""
    try:
        return call().body
    except (ApiError, TransportError) as error:
        raise explain(client, error) from error


def explain(client: Elasticsearch, error: ApiError | TransportError) -> CommandError:
    """One line for the terminal: what failed, where, and what to do."""
    where = address(client)
    if isinstance(error, TlsError):
        return CommandError(f"{where}: no trust in its certificate ({error.message}); give --ca-file")
    if isinstance(error, TransportError):
        return CommandError(
            f"cannot reach Elasticsearch at {where}: {error.message}; is it running? check --url or upstream.urls"
        )
    if error.status_code in (401, 403):
        return CommandError(f"{where} refuses access ({error.status_code}); check --user, --password or --api-key")
    return CommandError(f"{where} answered {error.status_code}: {api_reason(error)}")


def api_reason(error: ApiError) -> str:
    """Elasticsearch's own reason for an error."""
    body = error.body if isinstance(error.body, dict) else {}
    cause = body.get("error")
    if isinstance(cause, dict) and cause.get("reason"):
        return str(cause["reason"])
    return str(cause or error.message)
