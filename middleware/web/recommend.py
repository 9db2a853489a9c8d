"""`/{index}/_rerank/recommend`: recommendations over HTTP, in the shapes of Elasticsearch."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from middleware.config import Settings
from middleware.errors import RequestError
from middleware.front import OURS, read_request
from middleware.recommend.asked import read_asked
from middleware.recommend.recommender import Recommender

_MAX_BODY_BYTES = 1024 * 1024


def make_recommend_blueprint(settings: Settings, recommender: Recommender) -> Blueprint:
    """The one route."""
    ours = Blueprint("recommend", __name__)

    @ours.route(f"/<index>{OURS}/recommend", methods=["GET", "POST"])
    def recommend(index: str) -> Response:
        asked_by = read_request(request.environ).started(_MAX_BODY_BYTES)
        if asked_by.stream is not None:
            raise RequestError(f"the body is longer than {_MAX_BODY_BYTES} bytes")
        user = (asked_by.header(settings.headers.user) or "").strip() or None
        asked = read_asked(request.args.to_dict(), asked_by.body, user)
        found = recommender(asked_by, index, asked)
        response = jsonify(found.body)
        response.headers.update(found.headers)
        return response

    return ours
