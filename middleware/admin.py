"""Everything under /_rerank/: health, readiness, metrics and the configuration in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from middleware import __version__
from middleware.behaviour.sink import EventSink
from middleware.cluster import Cluster
from middleware.config import Settings
from middleware.errors import MiddlewareError, NotFound
from middleware.front import OURS
from middleware.observability import Metrics
from middleware.rerank.served_model import ServedModel
from middleware.served_fusions import ServedFusion, ServedFusions


def make_blueprint(
    settings: Settings,
    models: Mapping[str, ServedModel],
    fusions: ServedFusions,
    metrics: Metrics,
    cluster: Cluster,
    sink: EventSink | None = None,
) -> Blueprint:
    """The routes; each answers in Elasticsearch's JSON conventions."""
    ours = Blueprint("rerank", __name__, url_prefix=OURS)

    @ours.get("/", strict_slashes=False)
    def describe() -> Response:
        return jsonify(name="es-rerank", version=__version__, models=_told(models))

    @ours.get("/health")
    def health() -> Response:
        waiting = {"events": asdict(sink.status())} if sink else {}
        return jsonify(status="ok", upstream=cluster.describe(), **waiting)

    @ours.get("/ready")
    def ready() -> tuple[Response, int]:
        told = _told(models)
        is_ready = all(model["ready"] for model in told.values())
        return jsonify(ready=is_ready, models=told), 200 if is_ready else 503

    @ours.get("/models")
    def list_models() -> Response:
        return jsonify(models=_told(models), fusions=_told(fusions.served))

    @ours.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @ours.get("/variants")
    def variants() -> Response:
        shown = {name: variant.model_dump() for name, variant in settings.variants.items()}
        return jsonify(default=settings.default_variant, split=dict(settings.experiment.split), variants=shown)

    return ours


def add_error_pages(app: Flask) -> None:
    """Every error under /_rerank/ in Elasticsearch's shape, unknown addresses included."""

    @app.errorhandler(MiddlewareError)
    def answer(error: MiddlewareError) -> tuple[Response, int]:
        return jsonify(error.body()), error.status

    @app.errorhandler(404)
    def unknown(_error: Any) -> tuple[Response, int]:
        return answer(NotFound(f"nothing is served at [{request.path}]; see {OURS}/"))

    @app.errorhandler(405)
    def wrong_method(_error: Any) -> tuple[Response, int]:
        reason = f"[{request.method}] is not allowed at [{request.path}]"
        cause = {"type": "illegal_argument_exception", "reason": reason}
        return jsonify(error={"root_cause": [cause], **cause}, status=405), 405


def _told(served: Mapping[str, ServedModel] | Mapping[str, ServedFusion]) -> dict[str, Any]:
    """Of each what serves, what is about to, and since when it is so, in ISO 8601."""
    told = {name: asdict(each.status) for name, each in served.items()}
    for status in told.values():
        status["since"] = datetime.fromtimestamp(status["since"], UTC).isoformat(timespec="milliseconds")
    return told
