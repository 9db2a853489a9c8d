"""What cluster is behind us, found out from `GET /` while searches go on: what we may send depends on it."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, Literal, ParamSpec

from middleware import __version__
from middleware.backoff import Backoff
from middleware.errors import UpstreamError
from middleware.message import Request, Response
from middleware.upstream import read_all

Version = tuple[int, int, int]
P = ParamSpec("P")

_OUR_HEADERS = (("Accept", "application/json"), ("User-Agent", f"es-rerank/{__version__}"))
_MAX_BYTES = 64 * 1024
_REFUSALS = (401, 403)
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_RETRIEVERS: Version = (8, 14, 0)
_KEEPS_EMPTY: Version = (8, 15, 0)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Product:
    """A distribution and its version; `serverless` has all that the newest has, whatever version it claims."""

    distribution: Literal["elasticsearch", "opensearch"]
    version: Version
    serverless: bool = False

    @property
    def is_known(self) -> bool:
        return self.version > (0, 0, 0)

    @property
    def has_retrievers(self) -> bool:
        """Whether `retriever` may stand in a search body."""
        return self._is_elasticsearch_from(_RETRIEVERS)

    @property
    def keeps_empty_under_exclusion(self) -> bool | None:
        """Whether `filter_path=-...` leaves objects and arrays that were empty before; None where we cannot tell."""
        return self._is_elasticsearch_from(_KEEPS_EMPTY) if self.is_known else None

    def _is_elasticsearch_from(self, first: Version) -> bool:
        return self.distribution == "elasticsearch" and (self.serverless or self.version >= first)

    def __str__(self) -> str:
        name = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}[self.distribution]
        return f"{name} {'serverless' if self.serverless else '.'.join(map(str, self.version))}"


UNKNOWN = Product("elasticsearch", (0, 0, 0))
"""Until the cluster has told: the one that has nothing but what every version has."""


class Cluster:
    """The cluster's product, looked up in threads of its own: no request waits for it, none fails of it. Thread-safe.

    `ask` sends a request to any node, as `Upstream.forward` does; without it the cluster stays what `product` says.
    """

    def __init__(self, ask: Callable[[Request], Response] | None = None, product: Product = UNKNOWN) -> None:
        self._ask = ask
        self._product = product
        self._lock = threading.Lock()
        self._wanted = 0
        self._known = 0
        self._looking = False
        self._refuses_strangers = False
        self._backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        self._trouble = "it has not answered yet"

    @property
    def product(self) -> Product:
        """What was found last; UNKNOWN before."""
        return self._product

    def look_again(self) -> None:
        """Find out anew: at start, and when a node that was away is back, since it may have been upgraded."""
        with self._lock:
            self._wanted += 1
            self._refuses_strangers = False
            self._backoff.succeeded()
        self._look(())

    def with_each(
        self, answer: Callable[Concatenate[Request, P], Response]
    ) -> Callable[Concatenate[Request, P], Response]:
        """`answer`, with an eye on its requests: while the product is wanted, one sets off another look now and then.

        A look goes with that request's credentials, since the node may have refused to tell a stranger; they are kept
        no longer than that.
        """

        def watched(request: Request, /, *others: P.args, **options: P.kwargs) -> Response:
            if self._known != self._wanted:
                self._look(tuple(pair for pair in request.headers if pair[0].lower() == "authorization"))
            return answer(request, *others, **options)

        return watched

    def describe(self) -> dict[str, Any]:
        """For `/_rerank/health`: distribution and version, or null and why; asked while unknown, it looks again."""
        if self._known != self._wanted:
            self._look(())
        product = self._product
        if not product.is_known:
            return {"distribution": None, "version": None, "reason": self._trouble}
        return {"distribution": product.distribution, "version": ".".join(map(str, product.version))}

    def _look(self, credentials: tuple[tuple[str, str], ...]) -> None:
        """Begin one look, unless one is under way, would be refused, or the last failed a moment ago."""
        with self._lock:
            hopeless = self._ask is None or (self._refuses_strangers and not credentials)
            if hopeless or self._looking or time.monotonic() < self._backoff.until:
                return
            self._looking = True
        look = threading.Thread(target=self._find_out, args=(credentials,), name="cluster", daemon=True)
        try:
            look.start()
        except RuntimeError:  # no more threads: the next request tries again
            self._looking = False

    def _find_out(self, credentials: tuple[tuple[str, str], ...]) -> None:
        wanted, before = self._wanted, self._product
        status, found, trouble = self._read_product(credentials)
        with self._lock:
            self._looking = False
            self._refuses_strangers = self._refuses_strangers or status in _REFUSALS
            if found is not None:
                self._product, self._known = found, wanted
            else:
                self._trouble = trouble
            if found is None and (credentials or status not in _REFUSALS):
                self._backoff.failed(time.monotonic())
        if found not in (None, before):
            _log.info("upstream is %s%s", found, f" (was {before})" if before.is_known else "")

    def _read_product(self, credentials: tuple[tuple[str, str], ...]) -> tuple[int, Product | None, str]:
        """The status of the answer (0: none came), the product it tells, and else what is the matter."""
        assert self._ask is not None
        try:
            answer = self._ask(Request("GET", "/", (*_OUR_HEADERS, *credentials)))
            data = read_all(answer, _MAX_BYTES)
        except UpstreamError as error:
            return 0, None, str(error)
        except Exception:  # noqa: BLE001  the look must end, or there would never be another
            _log.exception("could not find out what cluster is behind us")
            return 0, None, "our own failure, see the log"
        if answer.status in _REFUSALS:
            return answer.status, None, "it asks for credentials: the next request with an Authorization brings some"
        product = parse_product(data or b"")
        return answer.status, product, f"GET / was answered with status {answer.status} and no version of a cluster"


def parse_product(data: bytes) -> Product | None:
    """The product behind an answer to `GET /`; None where it does not tell one.

    Elasticsearch names no distribution, and OpenSearch none where it is told to pose as Elasticsearch 7.10: its
    tagline stays.
    """
    try:
        body = json.loads(data)
        version, tagline = body["version"], str(body.get("tagline", ""))
        numbers = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?!\d)", version["number"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if numbers is None:
        return None
    is_opensearch = version.get("distribution") == "opensearch" or "OpenSearch" in tagline
    number = (int(numbers[1]), int(numbers[2]), int(numbers[3]))
    serverless = version.get("build_flavor") == "serverless"
    return Product("opensearch" if is_opensearch else "elasticsearch", number, serverless)
