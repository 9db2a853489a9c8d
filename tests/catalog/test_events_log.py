"""A log's noise, bots and impossible times by their rules; what is kept names nobody and holds UBI's fields alone."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from middleware.catalog.events_clean import clean
from middleware.catalog.events_noise import ACTIONS, NOISE, Rules, survey, why_not
from middleware.catalog.events_read import EVENTS, QUERIES, Log
from middleware.catalog.prepare import Prepared
from middleware.errors import ConfigError

NOW = "2024-06-04T19:02:42Z"


def event(number: int = 1, client: str = "anna@example.org", **given) -> Prepared:
    attributes = {"object": {"object_id": str(number), "object_id_field": "ean"}, **given.pop("attributes", {})}
    document = {"action_name": "item_click", "client_id": client, "query_id": "q", "timestamp": NOW, **given}
    return Prepared(number, str(number), {**document, "event_attributes": attributes}, "", EVENTS)


def query(query_id: str = "q", client: str = "anna@example.org", **given) -> Prepared:
    document = {"query_id": query_id, "client_id": client, "user_query": "shoe", "timestamp": NOW, **given}
    return Prepared(1, query_id, document, "", QUERIES)


def dropped(entries: list[Prepared], rules: Rules | None = None) -> list[str | None]:
    found = survey(entries, rules or Rules())
    return [why_not(entry, rules or Rules(), found) for entry in entries]


def test_acts_of_people_are_kept():
    assert dropped([query(), event(), event(2, action_name="purchase")]) == [None, None, None]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"action_name": "global_click"}, NOISE),
        ({"action_name": None}, "events without an action"),
        ({"timestamp": "yesterday"}, "events without a client, an object or a time"),
        ({"attributes": {"object": {}}}, "events without a client, an object or a time"),
        ({"attributes": {"object": {"object_id": "1", "object_id_field": "filter_data"}}},
         "noise: objects that are no products"),
        ({"timestamp": "1999-12-31"}, "events at an impossible time"),
        ({"timestamp": "2024-06-04T19:00:00Z"}, "events at an impossible time"),
        ({"timestamp": "2024-06-06T19:02:42Z"}, "events at an impossible time"),
        ({"attributes": {"browser": "Googlebot/2.1"}}, "bots: the browser names one"),
    ],
)  # fmt: skip
def test_what_is_no_act_of_a_person_on_a_product_is_left_out_by_a_rule_with_a_name(given, reason):
    assert dropped([query(), event(**given)], Rules(object_id_field="ean"))[1] == reason


def test_all_of_a_bot_goes_and_nothing_of_others():
    rules = Rules(most_searches=2, most_acts=3)
    tireless = [query(f"t{number}", "tireless") for number in range(3)]
    greedy = [event(number, "greedy") for number in range(4)]
    person = [event(number, "person", query_id="p") for number in range(3)]
    reasons = dropped([*tireless, *greedy, *person], rules)
    assert set(reasons[:3]) == {"bots: more than 2 searches"}
    assert set(reasons[3:7]) == {"bots: acts on more than 3 objects of one search"}
    assert reasons[7:] == [None] * 3


def test_what_is_kept_of_an_event_names_nobody_and_is_of_ubi_alone():
    attributes = {"ip": "10.0.0.1", "browser": "Firefox", "position": {"ordinal": 3, "x": 1}, "user_id": "a-user-name",
                  "session_id": "of anna@example.org"}  # fmt: skip
    entry = event(7, attributes=attributes, message="hello anna@example.org")
    cleaned = clean(entry, ACTIONS, lambda name: f"<{len(name)}>").document
    assert cleaned == {
        "action_name": "click",
        "query_id": "q",
        "client_id": "<16>",
        "timestamp": "2024-06-04T19:02:42.000Z",
        "event_attributes": {
            "session_id": "of <16>",
            "object": {"object_id": "7", "object_id_field": "ean"},
            "position": {"ordinal": 3},
        },
    }


def test_a_name_inside_a_query_is_hashed_and_a_short_one_is_not_taken_for_a_product():
    cleaned = clean(query(query='{"ext":{"client_id":"anna@example.org"}}'), ACTIONS, lambda _: "HASH").document
    assert cleaned["query"] == '{"ext":{"client_id":"HASH"}}'
    cleaned = clean(event(7, client="7"), ACTIONS, lambda _: "HASH").document
    assert cleaned["client_id"] == "HASH"
    assert cleaned["event_attributes"]["object"]["object_id"] == "7"


def entries(path: Path, **columns: str) -> list[Prepared]:
    log = Log(path, columns)
    opened = log.open()
    try:
        return [entry for entry in log.entries(opened) if isinstance(entry, Prepared)]
    finally:
        opened.close()


def test_a_csv_becomes_events_by_its_columns(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("customer;what;at;sku;place;colour\nanna;purchase;1717527762100;s-1;4;red\n")
    columns = {"client_id": "customer", "action_name": "what", "timestamp": "at", "object_id": "sku"}
    (found,) = entries(path, **columns, position="place", colour="colour")
    assert found.index == EVENTS
    assert found.document == {
        "client_id": "anna",
        "action_name": "purchase",
        "timestamp": 1717527762100,
        "event_attributes": {"object": {"object_id": "s-1"}, "position": {"ordinal": 4}, "colour": "red"},
    }
    assert entries(path, **columns, position="place", colour="colour")[0].id == found.id


def test_a_csv_without_columns_says_what_to_give(tmp_path):
    (tmp_path / "orders.csv").write_text("customer\nanna\n")
    with pytest.raises(ConfigError, match="--column client_id=user"):
        entries(tmp_path / "orders.csv")


def test_bulk_lines_tabs_and_plain_lines_say_the_same(tmp_path):
    document, action = json.dumps(event().document), json.dumps({"index": {"_index": EVENTS, "_id": "a"}})
    (tmp_path / "bulk.ndjson").write_text(f"{action}\n{document}\n")
    (tmp_path / "plain.ndjson.gz").write_bytes(gzip.compress(f"{document}\n".encode()))
    (tmp_path / "tabs.tsv").write_text(f"{EVENTS}\t{document}\n")
    found = [entries(tmp_path / name)[0] for name in ("bulk.ndjson", "plain.ndjson.gz", "tabs.tsv")]
    assert [each.document for each in found] == [event().document] * 3
    assert found[0].id == "a"
    assert found[1].id == found[2].id


def test_zstd_is_read_too(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "log.ndjson.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(json.dumps(event().document).encode() + b"\n"))
    assert entries(path)[0].document == event().document
