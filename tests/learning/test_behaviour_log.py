"""Logs of behaviour: what was shown where, what was done, and that nothing is left out unsaid."""

from __future__ import annotations

from collections import Counter

import pytest

from middleware.errors import ConfigError
from middleware.learning.groups.behaviour_log import BehaviourOptions, SearchSeen, Shown, read_log
from middleware.learning.groups.behaviour_sources import UbiRecord, read_records

T0 = 1_717_527_761_000
OPTIONS = BehaviourOptions(until_s=T0 / 1000 + 1_000_000)


def query(query_id="q1", text="red  lamp", listed=("a", "b", "c"), client="c1", **more):
    document = {"query_id": query_id, "user_query": text, "client_id": client, "timestamp": T0, **more}
    return UbiRecord("ubi_queries", document | {"query_response_object_ids": list(listed)})


def event(action="click", each="a", query_id="q1", position=1, at=T0 + 1000, client="c1", **more):
    attributes = {"object": {"object_id": each}, **more.pop("attributes", {})}
    if position is not None:
        attributes["position"] = {"ordinal": position}
    document = {"action_name": action, "query_id": query_id, "client_id": client, "timestamp": at}
    return UbiRecord("ubi_events", document | {"event_attributes": attributes} | more)


def test_a_query_and_its_list_and_the_strongest_act_on_each_document():
    log = read_log([event("click", "b"), query(), event("purchase", "b"), event("add_to_cart", "c")], OPTIONS)
    assert log.searches == [SearchSeen("red lamp", [Shown("a", 1, 0.0), Shown("b", 2, 1.0), Shown("c", 3, 0.5)])]
    assert not +Counter(log.dropped)


@pytest.mark.parametrize("first", [0, 1])
def test_without_a_list_impressions_say_what_was_shown_whether_they_count_from_0_or_1(first):
    records = [event("impression", each, position=first + n, user_query="lamp") for n, each in enumerate("ab")]
    log = read_log([*records, event("click", "b", position=first + 1)], OPTIONS)
    assert log.searches == [SearchSeen("lamp", [Shown("a", 1, 0.0), Shown("b", 2, 0.25)])]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (event("hover"), "events of actions that say nothing of a document"),
        (event(each=""), "events without a client, an object or a time"),
        (event(at="yesterday"), "events without a client, an object or a time"),
        (event(query_id="q9"), "events of an unknown search"),
        (event(query_id=None), "events of an unknown search"),
        (event(at=T0 - 3_600_000), "events at an impossible time"),
        (event(at=T0 + 90_000_000), "events at an impossible time"),
        (event(at=T0 + 2_000_000_000), "events at an impossible time"),
        (event(at=5), "events at an impossible time"),
        (event("impression", position=None), "impressions without a position"),
        (event(each="z"), "clicked documents that their search did not show"),
        (query("q2", " "), "searches without an id or a text"),
        (query("q2", listed=()), "searches that do not say what they showed"),
    ],
)
def test_what_does_not_count_is_counted(record, reason):
    log = read_log([query(), record], OPTIONS)
    assert log.searches == [SearchSeen("red lamp", [Shown("a", 1, 0.0), Shown("b", 2, 0.0), Shown("c", 3, 0.0)])]
    assert +Counter(log.dropped) == {reason: 1}


def test_clicks_of_a_search_without_impressions_are_counted_with_it():
    log = read_log([query(listed=()), event()], OPTIONS)
    assert not log.searches
    assert log.dropped["clicked documents of such searches"] == 1


def test_bots_are_told_by_name_by_greed_and_by_tirelessness():
    options = BehaviourOptions(until_s=OPTIONS.until_s, most_acts=2, most_searches=3)
    by_name = [query("q1"), event(attributes={"browser": "Mozilla/5.0 (compatible; Googlebot/2.1)"})]
    by_greed = [query("q2", client="c2"), *(event(each=each, query_id="q2", client="c2") for each in "abc")]
    tireless = [query(f"t{number}", client="c3") for number in range(4)]
    log = read_log([*by_name, *by_greed, *tireless, query("human", client="c4")], options)
    assert len(log.searches) == 1
    assert log.dropped["searches of bots"] == 6


def test_places_far_down_are_not_counted():
    listed = [f"d{n}" for n in range(300)]
    (search,) = read_log([query(listed=listed)], OPTIONS).searches
    assert len(search.shown) == 100


def test_an_object_listed_twice_counts_where_it_was_first():
    (search,) = read_log([query(listed=["a", "b", "a"])], OPTIONS).searches
    assert [(each.object_id, each.position) for each in search.shown] == [("a", 1), ("b", 2)]


def test_lines_that_are_no_record_are_counted(tmp_path):
    path = tmp_path / "log.tsv"
    path.write_text('ubi_queries\t{"query_id": "q"}\nnonsense\nother\t{"a": 1}\n')
    dropped = Counter()
    assert [record.index for record in read_records(None, path, dropped)] == ["ubi_queries"]
    assert dropped["lines of the log that are no record"] == 2
    with pytest.raises(ConfigError):
        list(read_records(None, tmp_path / "missing", dropped))


def test_the_logs_beside_us_are_read_in_all_their_forms(shared_data):
    chorus, esci = Counter(), Counter()
    lists = read_log(read_records(None, shared_data / "chorus" / "ubi_log.tsv.gz", chorus), BehaviourOptions())
    impressions = read_log(
        read_records(None, shared_data / "esci" / "ubi_queries_events.ndjson.gz", esci), BehaviourOptions()
    )
    assert (len(lists.searches), len(impressions.searches)) == (859, 255)
    assert lists.dropped["searches that do not say what they showed"] == 3271
    assert impressions.dropped["events at an impossible time"] == 30
    assert not chorus
    assert not esci
