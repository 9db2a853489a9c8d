"""Everything under /_rerank/: health, readiness, metrics, the configuration in force, and explanations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from middleware import __version__
from middleware.cluster import Cluster
from middleware.config import Settings
from middleware.errors import MiddlewareError, NotFound
from middleware.front import OURS, read_request
from middleware.message import Request
from middleware.observability import Metrics
from middleware.proxy import SearchProxy
from middleware.rerank.engine import Engine


def make_blueprint(
    settings: Settings, proxy: SearchProxy, engines: dict[str, Engine], metrics: Metrics, cluster: Cluster
) -> Blueprint:
    """The routes; each answers in Elasticsearch's JSON conventions."""
    ours = Blueprint("rerank", __name__, url_prefix=OURS)

    @ours.get("/", strict_slashes=False)
    def describe() -> Response:
        return jsonify(name="es-rerank", version=__version__, models=_models(engines))

    @ours.get("/health")
    def health() -> Response:
        return jsonify(status="ok", upstream=cluster.describe())

    @ours.get("/ready")
    def ready() -> tuple[Response, int]:
        missing = [name for name, engine in engines.items() if not engine.ready]
        return jsonify(ready=not missing, models=_models(engines)), 503 if missing else 200

    @ours.get("/models")
    def models() -> Response:
        return jsonify(models=_models(engines))

    @ours.get("/metrics")
    def exposition() -> Response:
        return Response(metrics.exposition(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @ours.get("/variants")
    def variants() -> Response:
        shown = {name: variant.model_dump() for name, variant in settings.variants.items()}
        return jsonify(default=settings.default_variant, split=dict(settings.experiment.split), variants=shown)

    @ours.route("/explain/<path:_target>", methods=["GET", "POST"])
    def explain(_target: str) -> Response:
        return jsonify(proxy.explain(_search_behind(read_request(request.environ))))

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


def _search_behind(asked: Request) -> Request:
    """The search that `/_rerank/explain/{index}/_search` explains."""
    return replace(asked, target=asked.target.removeprefix(f"{OURS}/explain"))


def _models(engines: dict[str, Engine]) -> dict[str, Any]:
    return {
        name: {"model": engine.name, "ready": engine.ready, "error": engine.error, "depth": engine.depth}
        for name, engine in engines.items()
    }
