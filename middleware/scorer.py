"""`es-rerank scorer`: our engine behind the rerank calls of others, so that many proxies share one model's batches."""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from middleware import __version__
from middleware.config import ModelSettings, Settings
from middleware.errors import DeadlineExceeded, MiddlewareError, ModelUnavailable
from middleware.front import Environ, StartResponse, read_request
from middleware.message import Request, Response
from middleware.observability import SECONDS, expose
from middleware.registry.watch import RegistryWatch
from middleware.rerank.backends.rerank_call import BUDGET_HEADER, MODEL_HEADER
from middleware.rerank.engine import Engine
from middleware.rerank.served_model import Servable, ServedModel, SwitchOutcome
from middleware.scorer_messages import (
    MAX_DOCUMENTS,
    BadCall,
    TooLarge,
    UnknownCall,
    failure_answer,
    json_answer,
    read_call,
)

_log = logging.getLogger(__name__)


class ScorerMetrics:
    """What a scorer counts and measures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "es_rerank_scorer_seconds", "Time of one rerank call.", buckets=SECONDS, registry=self.registry
        )
        self.calls = Counter("es_rerank_scorer_calls", "Rerank calls by status.", ("status",), registry=self.registry)
        self.documents = Counter("es_rerank_scorer_documents", "Documents scored.", registry=self.registry)
        self._switches = Counter(
            "es_rerank_model_switches", "Switches to another version.", ("model", "outcome"), registry=self.registry
        )

    def count_switch(self, model: str, outcome: SwitchOutcome) -> None:
        """See rerank.served_model."""
        self._switches.labels(model, outcome).inc()

    def see_queue_limit(self, model: str, searches: int) -> None:
        """Not told by a scorer."""


class Scorer:
    """A WSGI application: POST /rerank, /v1/rerank and /v2/rerank; GET /info, /health and /metrics."""

    def __init__(
        self, settings: Settings, model: ModelSettings, served: Servable, metrics: ScorerMetrics | None = None
    ) -> None:
        self._budget_ms = float(settings.budget_ms)
        self._max_bytes = settings.server.max_search_bytes
        self._threads = settings.server.threads
        self._model = model
        self._served = served
        self._counts = metrics or ScorerMetrics()
        self._doors: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "/info"): self._info,
            ("GET", "/health"): self._health,
            ("GET", "/metrics"): self._metrics,
            **{("POST", path): self._rerank for path in ("/rerank", "/v1/rerank", "/v2/rerank")},
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request = read_request(environ)
        door = self._doors.get((request.method, request.path))
        try:
            if door is None:
                raise UnknownCall(f"{request.method} {request.path} is not served here")
            response = door(request)
        except MiddlewareError as error:
            if error.status >= 500:
                _log.warning("%s: %s", request.path, error)
            response = failure_answer(error, is_tei=not request.path.startswith("/v"))
        if request.method == "POST":
            self._counts.calls.labels(response.status).inc()
        start_response(response.status_line, list(response.headers))
        return response.body

    def _rerank(self, request: Request) -> Response:
        started = time.perf_counter()
        request = request.started(self._max_bytes)
        if len(request.body) > self._max_bytes:
            raise TooLarge(f"the body is longer than {self._max_bytes} bytes")
        call = read_call(request.body)
        budget_ms = self._read_budget(request) - (time.perf_counter() - started) * 1000
        with self._served.hold() as engine:
            scores, name = engine.score(call.query_text, call.document_texts, budget_ms=budget_ms), engine.name
        if len(scores) < len(call.document_texts):
            raise DeadlineExceeded(f"{len(scores)} of {len(call.document_texts)} documents were scored in time")
        self._counts.documents.inc(len(scores))
        self._counts.seconds.observe(time.perf_counter() - started)
        return call.answer(scores.tolist(), name).with_headers({MODEL_HEADER: name})

    def _read_budget(self, request: Request) -> float:
        told = request.header(BUDGET_HEADER)
        try:
            budget_ms = float(told) if told else self._budget_ms
        except ValueError as error:
            raise BadCall(f"{BUDGET_HEADER} must be a number of milliseconds") from error
        if not 0 < budget_ms < float("inf"):
            raise BadCall(f"{BUDGET_HEADER} must be above 0")
        return budget_ms

    def _info(self, _request: Request) -> Response:
        """What text-embeddings-inference tells of itself."""
        with self._served.hold() as engine:
            name = engine.name
        return json_answer(
            {
                "model_id": name,
                "model_sha": self._model.revision,
                "model_type": {"reranker": {"id2label": {"0": "relevant"}, "label2id": {"relevant": 0}}},
                "max_concurrent_requests": self._threads,
                "max_input_length": self._model.max_tokens,
                "max_client_batch_size": MAX_DOCUMENTS,
                "auto_truncate": True,
                "version": __version__,
            }
        )

    def _health(self, _request: Request) -> Response:
        with self._served.hold() as engine:
            if not engine.ready:
                raise ModelUnavailable(engine.error or f"{engine.name} is still loading")
        return json_answer({"status": "ok"})

    def _metrics(self, _request: Request) -> Response:
        return Response(
            200, (("content-type", "text/plain; version=0.0.4; charset=utf-8"),), (expose(self._counts.registry),)
        )


def create_scorer(settings: Settings, name: str | None = None) -> Scorer:
    """The WSGI application for one model of `settings`; it loads in a thread of its own. Raises ConfigError."""
    settings = settings.without_servers()
    name = settings.choose_model(name)
    model = settings.models[name]
    metrics = ScorerMetrics()
    served = ServedModel(name, model, settings.model_registry, Engine, metrics)
    watch = RegistryWatch([served] if served.moves else [])
    served.start()
    atexit.register(served.stop)
    watch.start()
    atexit.register(watch.stop)
    return Scorer(settings, model, served, metrics)
