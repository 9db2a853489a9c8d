"""What of a log is imported: the rules by which searches and events are kept or left out, each with its count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from middleware.behaviour.noise import MOST_ACTS, MOST_SEARCHES, is_impossible, is_tireless, names_a_bot
from middleware.catalog.events_read import QUERIES
from middleware.catalog.prepare import Prepared
from middleware.catalog.read import Reject
from middleware.personalization.events import parse_event, read_timestamp

ACTIONS: Mapping[str, str] = {
    "impression": "impression",
    "view": "view",
    "click": "click",
    "item_click": "click",
    "product_click": "click",
    "add_to_cart": "add_to_cart",
    "purchase": "purchase",
}
"""The actions that are imported, and what each is called then: names that profiles and learning know."""
NOISE = "noise: actions that say nothing of a product"
ACTS = frozenset({"click", "add_to_cart", "purchase"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What is kept. `actions`: as ACTIONS; `object_id_field`: objects named by another field are no products."""

    actions: Mapping[str, str] = field(default_factory=lambda: dict(ACTIONS))
    object_id_field: str | None = None
    most_searches: int = MOST_SEARCHES
    most_acts: int = MOST_ACTS


@dataclass(slots=True)
class Survey:
    """What a first reading found: when each search was, and the clients that are programs.

    Its size grows with the number of searches, some 300 bytes each, and not with that of events.
    """

    times: dict[str, float] = field(default_factory=dict)
    bots: dict[str, str] = field(default_factory=dict)


def survey(entries: Iterable[Prepared | Reject], rules: Rules) -> Survey:
    """Read a whole log once."""
    found = Survey()
    searches: defaultdict[str, set[int]] = defaultdict(set)
    acts: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for entry in entries:
        if isinstance(entry, Reject):
            continue
        document = entry.document
        client, query_id = _text(document.get("client_id")), _text(document.get("query_id"))
        if client and query_id:
            searches[client].add(hash(query_id))
        if client and names_a_bot(document):
            found.bots.setdefault(client, "bots: the browser names one")
        if entry.index == QUERIES:
            at = read_timestamp(document.get("timestamp"))
            if at is not None and query_id:
                found.times.setdefault(query_id, at)
        elif client and query_id and rules.actions.get(_text(document.get("action_name"))) in ACTS:
            event = parse_event(document)
            if event is not None:
                acts[client, query_id].add(hash(event.object_id))
    _mark_tireless(found, searches, acts, rules)
    return found


def _mark_tireless(
    found: Survey,
    searches: Mapping[str, set[int]],
    acts: Mapping[tuple[str, str], set[int]],
    rules: Rules,
) -> None:
    for client, queries in searches.items():
        if is_tireless(len(queries), 0, most_searches=rules.most_searches, most_acts=rules.most_acts):
            found.bots.setdefault(client, f"bots: more than {rules.most_searches} searches")
    for (client, _), objects in acts.items():
        if is_tireless(0, len(objects), most_searches=rules.most_searches, most_acts=rules.most_acts):
            found.bots.setdefault(client, f"bots: acts on more than {rules.most_acts} objects of one search")


def why_not(entry: Prepared, rules: Rules, found: Survey) -> str | None:
    """The rule by which a document is left out; None where it is kept."""
    document = entry.document
    client = _text(document.get("client_id"))
    if client in found.bots:
        return found.bots[client]
    if entry.index == QUERIES:
        return _why_no_query(entry)
    action = _text(document.get("action_name"))
    if action not in rules.actions:
        return NOISE if action else "events without an action"
    event = parse_event(document)
    if event is None:
        return "events without a client, an object or a time"
    if rules.object_id_field is not None and _object_id_field(document) not in (None, rules.object_id_field):
        return "noise: objects that are no products"
    search_s = found.times.get(_text(document.get("query_id")))
    return "events at an impossible time" if is_impossible(event.timestamp_s, search_s) else None


def _why_no_query(entry: Prepared) -> str | None:
    document = entry.document
    if not _text(document.get("query_id")) or not _text(document.get("user_query")):
        return "searches without an id or a text"
    at = read_timestamp(document.get("timestamp"))
    if at is None:
        return "searches without a time"
    return "searches at an impossible time" if is_impossible(at, None) else None


def _object_id_field(document: Mapping[str, object]) -> str | None:
    attributes = document.get("event_attributes")
    target = attributes.get("object") if isinstance(attributes, Mapping) else None
    name = target.get("object_id_field") if isinstance(target, Mapping) else None
    return str(name) if name else None


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def kind_of(document: Mapping[str, object]) -> str:
    """What the table calls a kept document: its action, or a search."""
    return str(document.get("action_name", "searches"))
