"""The three searches behind the ads, as bodies and as answers: the ads, what each has cost, what a user has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from middleware.ads.ad import Ad, read_ad
from middleware.own_requests import hits_of

_DAY_MS = 86_400_000
_MOST_SEEN = 1000


def ads_body(max_ads: int) -> dict[str, Any]:
    """The ads that have not ended, the best bids first."""
    over = {"range": {"ends_at": {"lt": "now"}}}
    query = {"bool": {"must_not": [over, {"term": {"enabled": False}}]}}
    sort = [{"bid": {"order": "desc", "unmapped_type": "double"}}]
    return {"size": max_ads, "track_total_hits": False, "query": query, "sort": sort}


def read_ads(answer: Mapping[str, Any]) -> tuple[list[Ad], dict[str, str]]:
    """The ads of an answer to `ads_body`, and by id what is wrong with the others."""
    found = {str(hit.get("_id")): read_ad(str(hit.get("_id")), hit.get("_source")) for hit in hits_of(answer)}
    ads = [ad for ad in found.values() if isinstance(ad, Ad)]
    return ads, {ad_id: why for ad_id, why in found.items() if isinstance(why, str)}


def spent_body(max_ads: int) -> dict[str, Any]:
    """What every ad has cost so far."""
    cost = {"cost": {"sum": {"field": "cost"}}}
    return {"size": 0, "aggs": {"ads": {"terms": {"field": "ad_id", "size": max_ads}, "aggs": cost}}}


def read_spent(answer: Mapping[str, Any]) -> dict[str, float]:
    """ad_id -> cost, of an answer to `spent_body`."""
    return {str(bucket["key"]): float(bucket["cost"]["value"]) for bucket in _buckets(answer)}


def seen_body(client_id: str, now_s: float) -> dict[str, Any]:
    """How often a user (the hash) saw each ad in the 24 hours before `now_s`, seconds since 1970."""
    since = {"range": {"timestamp": {"gte": int(now_s * 1000) - _DAY_MS, "format": "epoch_millis"}}}
    query = {"bool": {"filter": [{"term": {"client_id": client_id}}, since]}}
    return {"size": 0, "query": query, "aggs": {"ads": {"terms": {"field": "ad_id", "size": _MOST_SEEN}}}}


def read_seen(answer: Mapping[str, Any]) -> Counter[str]:
    """ad_id -> how often, of an answer to `seen_body`."""
    return Counter({str(bucket["key"]): int(bucket["doc_count"]) for bucket in _buckets(answer)})


def _buckets(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """None where the index does not exist yet."""
    aggregations = answer.get("aggregations")
    ads = aggregations.get("ads") if isinstance(aggregations, Mapping) else None
    buckets = ads.get("buckets") if isinstance(ads, Mapping) else None
    return list(buckets) if isinstance(buckets, list) else []
