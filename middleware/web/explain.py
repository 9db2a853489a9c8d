"""`/{index}/_rerank/explain`: why the hits of a search stand where they stand, for those who build the search."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, jsonify
from flask import request as asked_of_flask

from middleware.config import FeatureFields, Settings
from middleware.errors import RequestError, UpstreamError
from middleware.explanation.facts import Facts
from middleware.explanation.ranking import explain_ranking
from middleware.explanation.words import METHOD, explain_words
from middleware.front import read_request
from middleware.message import Request
from middleware.own_requests import Fetch
from middleware.personalization.fields import HitFields
from middleware.personalization.lookup import products_bodies, read_products
from middleware.personalization.profiles import Profile
from middleware.proxy import Ranked, SearchProxy
from middleware.rerank.served_model import Servable
from middleware.search.reasons import Reason
from middleware.search.target import Form, SearchTarget
from middleware.search.window import read_window
from middleware.upstream import authorization
from middleware.web.access import check_token

_OURS = ("user", "words", "top")
_USUAL_TOP, _MOST_TOP = 3, 20
# Not a search: somebody looks into one, and waits a little longer.
_WORDS_BUDGET_S = 5.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be explained: the words of the first `top` hits of the page, none where that is 0."""

    search: Request
    top: int


def make_explain_blueprint(
    settings: Settings,
    proxy: SearchProxy,
    models: Mapping[str, Servable],
    fetch: Fetch,
    plain: Callable[[Request], Request],
) -> Blueprint:
    """The routes for a search and for a search template; bodies and parameters are those of `_search`.

    `plain` takes out of a search what the proxy does not read itself.
    """
    ours = Blueprint("explain", __name__)

    @ours.route("/<_index>/_rerank/explain", methods=["GET", "POST"])
    @ours.route("/<_index>/_rerank/explain/template", methods=["GET", "POST"])
    def explain(_index: str) -> Response:
        asked = read_request(asked_of_flask.environ)
        wish = read_explain_request(asked, settings.headers.user)
        search = plain(wish.search)
        if search.header(settings.headers.user):
            check_token(asked, settings)
        ranked = proxy.rank(search)
        profile = ranked.scored.profile
        bought = _read_bought(profile, settings, fetch, authorization(search)) if profile else {}
        facts = Facts(profile, bought) if profile else None
        told = explain_ranking(ranked.plan, ranked.response, ranked.scored, facts, settings.profiles.id_field)
        if wish.top:
            told["words"] = _explain_words(ranked, told["hits"][: wish.top], models)
        return jsonify(told)

    return ours


def read_explain_request(request: Request, user_header: str) -> Wish:
    """The search behind `/{index}/_rerank/explain` and what else is asked for, by `user`, `words` and `top`.

    `user` stands in for the header. Raises RequestError where a parameter is none of ours.
    """
    path, _, query = request.target.partition("?")
    index, is_template = path.removeprefix("/").partition("/")[0], path.rstrip("/").endswith("/template")
    form = Form.TEMPLATE if is_template else Form.SEARCH
    target = SearchTarget(form, f"/{index}/{form}", query, ())
    parameters = target.parameters()
    words, top = parameters.get("words", "true"), parameters.get("top", str(_USUAL_TOP))
    if words not in ("", "true", "false"):
        raise RequestError(f"[words] must be true or false, not [{words[:40]}]")
    if not (top.isascii() and top.isdigit() and len(top) < 4 and 0 < int(top) <= _MOST_TOP):
        raise RequestError(f"[top] must be a number from 1 to {_MOST_TOP}, not [{top[:40]}]")
    headers = request.headers
    if user := parameters.get("user"):
        others = [header for header in headers if header[0].lower() != user_header.lower()]
        headers = (*others, (user_header, user))
    search = replace(request, target=target.edited(lambda name: name not in _OURS), headers=headers)
    return Wish(search, 0 if words == "false" else int(top))


def _explain_words(ranked: Ranked, hits: list[dict[str, Any]], models: Mapping[str, Servable]) -> Mapping[str, Any]:
    """Put `words` into each hit, in their order, as far as there is time."""
    plan, until = ranked.plan, time.monotonic() + _WORDS_BUDGET_S
    window = read_window(plan, ranked.response, has_profile=False)
    told = 0
    model = models.get(plan.variant.model or "")
    if model is not None and not isinstance(window, Reason):
        with model.hold() as engine:
            for hit in hits:
                own = window.owners == hit["first_stage_rank"] - 1
                passages = [passage for passage, is_own in zip(window.passages, own, strict=True) if is_own]
                hit["words"] = explain_words(engine, plan.query_text, passages, until)
                told += hit["words"] is not None
    return {"method": METHOD, "hits": told, "asked_for": len(hits), "budget_s": _WORDS_BUDGET_S}


def _read_bought(
    profile: Profile, settings: Settings, fetch: Fetch, headers: Mapping[str, str]
) -> Mapping[str, HitFields]:
    """What the user bought, for counting; nothing where it cannot be read."""
    profiles = settings.profiles
    section = settings.indices.get(profiles.products_index)
    fields = section.features if section else FeatureFields()
    found: dict[str, HitFields] = {}
    try:
        for body in products_bodies(profile.bought, profiles, fields):
            read = read_products(fetch(profiles.products_index, body, headers), profiles, fields)
            found |= {object_id: own for object_id, (own, _) in read.items()}
    except UpstreamError:
        return {}
    return found
