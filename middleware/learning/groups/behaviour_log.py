"""A log of behaviour read into searches: what each showed where, and what its user then did with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from middleware.behaviour.noise import (
    EARLY_S,
    LATE_S,
    MOST_ACTS,
    MOST_SEARCHES,
    is_impossible,
    is_tireless,
    names_a_bot,
)
from middleware.learning.groups.behaviour_sources import QUERIES, UbiRecord
from middleware.personalization.events import Event, parse_event, read_timestamp

ACTIONS = {"click": 1.0, "item_click": 1.0, "product_click": 1.0, "add_to_cart": 2.0, "purchase": 4.0}


@dataclass(frozen=True, slots=True)
class BehaviourOptions:
    """What counts in a log, and how much.

    `actions`: weight of each action_name that speaks for a document; the others count nothing. `impressions`: actions
    that say what was shown, beside a query's own list. `most_acts`: documents that a person acts on in one search;
    `most_searches`: of one client in the whole log; more is a bot. `early_s`, `late_s`: how long before its search an
    act may be stamped (clocks differ), and how long after. `until_s`: nothing happens later (None: now).
    `most_position`: places further down are not counted. `least_examination`: propensities are clipped there.
    `smoothing`: impressions with the log's mean reward that every document has on top of its own;
    `bias_smoothing`: clicks that the power law of all positions counts for in the propensity of one.
    """

    actions: Mapping[str, float] = field(default_factory=lambda: dict(ACTIONS))
    impressions: frozenset[str] = frozenset({"impression"})
    most_acts: int = MOST_ACTS
    most_searches: int = MOST_SEARCHES
    early_s: float = EARLY_S
    late_s: float = LATE_S
    until_s: float | None = None
    most_position: int = 100
    least_examination: float = 0.05
    smoothing: float = 2.0
    bias_smoothing: float = 10.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A document on a search's page, its position from 1, and what its user did: 0 nothing, 1 the strongest act."""

    object_id: str
    position: int
    reward: float


@dataclass(frozen=True, slots=True)
class SearchSeen:
    """One search that was shown."""

    query_text: str
    shown: Sequence[Shown]


@dataclass(frozen=True, slots=True)
class Log:
    """The searches that count, in the order of their ids, and how much was left out for which reason."""

    searches: Sequence[SearchSeen]
    dropped: Mapping[str, int]


@dataclass(slots=True)
class _Open:
    """A search while its records come in."""

    query_text: str = ""
    client_id: str = ""
    timestamp_s: float | None = None
    listed: Sequence[str] = ()
    impressions: dict[str, int] = field(default_factory=dict)
    acts: dict[str, float] = field(default_factory=dict)
    is_bot: bool = False


def read_log(records: Iterable[UbiRecord], options: BehaviourOptions) -> Log:
    """Every search of which is known what it showed and where; the records may come in any order."""
    dropped: Counter[str] = Counter()
    searches: defaultdict[str, _Open] = defaultdict(_Open)
    events = []
    for record in records:
        if record.index == QUERIES:
            _open_search(searches, record.document, dropped)
        else:
            events.append(record.document)
    for document in events:
        _count_event(searches, document, options, dropped)
    _mark_bots(searches, options)
    found = [_close(searches[query_id], options, dropped) for query_id in sorted(searches)]
    return Log([search for search in found if search is not None], dropped)


def _open_search(searches: defaultdict[str, _Open], document: Mapping[str, Any], dropped: Counter[str]) -> None:
    query_id, text = document.get("query_id"), document.get("user_query")
    if not isinstance(query_id, str) or not isinstance(text, str) or not text.strip():
        dropped["searches without an id or a text"] += 1
        return
    search = searches[query_id]
    search.query_text = " ".join(text.split())
    search.client_id = str(document.get("client_id") or "")
    search.timestamp_s = read_timestamp(document.get("timestamp"))
    listed = document.get("query_response_object_ids")
    search.listed = [str(each) for each in listed] if isinstance(listed, list) else []


def _count_event(
    searches: defaultdict[str, _Open], document: Mapping[str, Any], options: BehaviourOptions, dropped: Counter[str]
) -> None:
    action = document.get("action_name")
    if action not in options.actions and action not in options.impressions:
        dropped["events of actions that say nothing of a document"] += 1
        return
    event, query_id = parse_event(document), document.get("query_id")
    if event is None:
        dropped["events without a client, an object or a time"] += 1
    elif not isinstance(query_id, str) or not (query_id in searches or _text(document)):
        dropped["events of an unknown search"] += 1
    else:
        search = searches[query_id]
        search.query_text = search.query_text or _text(document)
        search.client_id = search.client_id or event.client_id
        search.is_bot = search.is_bot or names_a_bot(document)
        if _is_impossible(event, search, options):
            dropped["events at an impossible time"] += 1
        else:
            _note(search, event, document, options, dropped)


def _note(
    search: _Open, event: Event, document: Mapping[str, Any], options: BehaviourOptions, dropped: Counter[str]
) -> None:
    if event.action_name in options.impressions:
        position = _position(document)
        if position is None:
            dropped["impressions without a position"] += 1
        else:
            search.impressions.setdefault(event.object_id, position)
    else:
        reward = options.actions[event.action_name] / max(options.actions.values())
        search.acts[event.object_id] = max(reward, search.acts.get(event.object_id, 0.0))


def _mark_bots(searches: Mapping[str, _Open], options: BehaviourOptions) -> None:
    counts = Counter(search.client_id for search in searches.values() if search.client_id)
    for search in searches.values():
        limits = {"most_searches": options.most_searches, "most_acts": options.most_acts}
        search.is_bot = search.is_bot or is_tireless(counts[search.client_id], len(search.acts), **limits)


def _close(search: _Open, options: BehaviourOptions, dropped: Counter[str]) -> SearchSeen | None:
    if search.is_bot:
        dropped["searches of bots"] += 1
        return None
    positions = {each: place for place, each in reversed(list(enumerate(search.listed, start=1)))}
    if not positions and search.impressions:
        # Some pages count from 0.
        shift = 1 if 0 in search.impressions.values() else 0
        positions = {each: position + shift for each, position in search.impressions.items()}
    if not positions:
        dropped["searches that do not say what they showed"] += 1
        dropped["clicked documents of such searches"] += len(search.acts)
        return None
    dropped["clicked documents that their search did not show"] += len(set(search.acts) - set(positions))
    shown = [
        Shown(each, position, search.acts.get(each, 0.0))
        for each, position in sorted(positions.items(), key=lambda item: (item[1], item[0]))
        if position <= options.most_position
    ]
    return SearchSeen(search.query_text, shown) if shown else None


def _is_impossible(event: Event, search: _Open, options: BehaviourOptions) -> bool:
    return is_impossible(
        event.timestamp_s,
        search.timestamp_s,
        early_s=options.early_s,
        late_s=options.late_s,
        until_s=options.until_s,
    )


def _text(document: Mapping[str, Any]) -> str:
    text = document.get("user_query")
    return " ".join(text.split()) if isinstance(text, str) else ""


def _position(document: Mapping[str, Any]) -> int | None:
    attributes = document.get("event_attributes")
    position = attributes.get("position") if isinstance(attributes, Mapping) else None
    ordinal = position.get("ordinal") if isinstance(position, Mapping) else None
    return ordinal if isinstance(ordinal, int) and not isinstance(ordinal, bool) and ordinal >= 0 else None
