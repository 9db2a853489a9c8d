"""`GET /_rerank/ads`: every ad as it stands, so that one sees at a glance why it is shown or not."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify

from middleware.ads.server import AdServer, AdStatus
from middleware.front import OURS


def make_ads_blueprint(ads: AdServer) -> Blueprint:
    """The route; it answers in Elasticsearch's JSON conventions."""
    blueprint = Blueprint("ads", __name__, url_prefix=OURS)

    @blueprint.get("/ads")
    def list_ads() -> Response:
        return jsonify(ads=[_told(each) for each in ads.describe()])

    return blueprint


def _told(status: AdStatus) -> dict[str, Any]:
    told: dict[str, Any] = {"ad_id": status.ad_id, "state": status.state, "spent": round(status.spent, 6)}
    ad = status.ad
    if ad is None:
        return told
    told |= {"object_id": ad.object_id, "bid": ad.bid, "budget": ad.budget}
    return told | {"starts_at": _day(ad.starts_s), "ends_at": _day(ad.ends_s), "clusters": sorted(ad.clusters)}


def _day(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if math.isfinite(seconds) else None
