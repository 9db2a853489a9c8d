"""Whose a document is: told by its id and its source, however it is written, and never by a likeness."""

from __future__ import annotations

import pytest

from middleware.personalization.identity import Identity
from middleware.privacy.documents import documents_query, find_person, is_of

IDENTITY = Identity(b"k" * 32, [b"o" * 32])
ANNA = find_person(" anna-1 ", IDENTITY)


def test_a_person_has_the_hash_in_force_those_before_and_the_name():
    old = Identity(b"o" * 32).hash("anna-1")
    assert ANNA.hash == Identity(b"k" * 32).hash("anna-1")
    assert ANNA.names == (ANNA.hash, old, "anna-1")


def test_of_a_person_asked_for_by_hash_no_name_is_known():
    assert find_person(ANNA.hash, IDENTITY).names == (ANNA.hash,)


@pytest.mark.parametrize(
    "source",
    [
        {"client_id": "anna-1"},
        {"client_id": ANNA.hash},
        {"client_id": ["x", " anna-1"]},
        {"user_id": ANNA.hashes[1]},
        {"client_ids": ["anna-1"]},
        {"event_attributes": {"object": {"user_id": "anna-1"}}},
        {"event_attributes": [{"object.user_id": "anna-1"}]},
        {"event_attributes.object.user_id": "anna-1"},
    ],
)
def test_a_document_is_hers_wherever_it_names_her(source):
    assert is_of(ANNA, {"_id": "1", "_source": source})


@pytest.mark.parametrize(
    "hit",
    [
        {"_id": "1", "_source": {"client_id": "anna-1 smith"}},
        {"_id": "anna-1", "_source": {"client_id": "anna"}},
        {"_id": "1", "_source": {"user_query": "anna-1", "event_attributes": {"object": {"object_id": "anna-1"}}}},
        {"_id": "1", "_source": {"client_id": True}},
        {"_id": "1"},
    ],
)
def test_what_only_resembles_her_name_is_not_hers(hit):
    assert not is_of(ANNA, hit)


def test_a_profile_is_hers_by_its_id_and_a_number_may_be_a_name():
    assert is_of(ANNA, {"_id": ANNA.hash, "_source": {}})
    assert is_of(find_person("17", IDENTITY), {"_id": "1", "_source": {"client_id": 17}})


def test_the_query_asks_for_every_name_and_for_ids_by_hash_alone():
    asked = str(documents_query(ANNA))
    assert all(name in asked for name in ANNA.names)
    assert documents_query(ANNA)["bool"]["should"][-1] == {"ids": {"values": list(ANNA.hashes)}}
