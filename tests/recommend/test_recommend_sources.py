"""Which sources make the candidates of a kind, in which order, and what is left where one has nothing or fails."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from middleware.config import IndexSettings, ProfileSettings, Settings
from middleware.errors import UpstreamError
from middleware.personalization.profiles import Profile
from middleware.recommend.asked import Asked
from middleware.recommend.catalogue import NO_VECTORS, Catalogue
from middleware.recommend.popularity import Popular
from middleware.recommend.sources import Sources

CODES = np.array([[127, 0], [120, 40], [0, 127], [-127, 0]], dtype=np.int8)
CATALOGUE = Catalogue("e", CODES, ["right", "near", "up", "left"], np.arange(4, dtype=np.int32))
RIGHT, UP = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)


class Shelf:
    def alike_in_words(self, product, words_of, count):
        return [f"words of {product['_id']} in {','.join(words_of)}"]

    def resolve(self, object_ids, id_field):
        return [f"id of {name}" if id_field else name for name in object_ids]


def together(method, path, body):
    """Who bought `right` bought `case` and `cable`; who bought `up` bought `cable`."""
    pairs = {"right": (["case", "cable"], [9.0, 5.0]), "up": (["cable"], [6.0])}
    ids, objects = (next(iter(each.values())) for each in body["query"]["bool"]["filter"][0]["bool"]["should"])
    named = [*ids["values"], *objects["object_ids"]] if "values" in ids else []
    found = [pairs[name] for name in named if name in pairs]
    return {"hits": {"hits": [{"_source": {"together": {"ids": ids, "scores": scores}}} for ids, scores in found]}}


def away(method, path, body):
    raise UpstreamError("away")


def sources(ask=together, catalogue=CATALOGUE, **profiles):
    settings = Settings(profiles=ProfileSettings(**profiles))
    popular = SimpleNamespace(read=lambda: Popular(object_ids=["hit-1", "hit-2"]))
    reader = SimpleNamespace(catalogue=catalogue)
    return Sources(IndexSettings(template="{title}[ {tags_*}]"), settings, "kept", ask, reader, popular)


def find(kind, profile=None, liked=None, **options):
    asked = Asked(kind, None, liked, 0, 10, None, {})
    product = None if liked is None else {"_id": liked, "_index": "shop"}
    return sources(**options).find(asked, profile, product, Shelf())


def test_similar_is_the_order_of_cosines():
    assert list(find("similar", liked="near").scores) == ["near", "right", "up", "left"]


def test_similar_to_a_product_without_a_vector_is_alike_in_words():
    found = find("similar", liked="new")
    assert (list(found.scores), found.sources) == (["words of new in title"], ("words",))
    assert find("similar", liked="near", catalogue=NO_VECTORS).sources == ("words",)


def test_what_goes_with_the_last_purchases_adds_up():
    # cable: 5 + 6 = 11, case: 9
    found = find("bought_together", Profile(bought={"right": 1.0, "up": 2.0}))
    assert list(found.scores) == ["cable", "case"]
    assert list(find("bought_together", liked="right").scores) == ["case", "cable"]


def test_for_you_merges_vectors_baskets_and_popularity_by_rank():
    profile = Profile(
        vector=UP,
        session_vector=RIGHT,
        vector_model="e",
        bought={"up": 1.0},
        cluster_popularity={"near": 0.1, "x": 0.4},
    )
    found = find("for_you", profile)
    assert found.sources == ("session_vector", "profile_vector", "bought_together", "popular")
    # near: second by both vectors and, at half weight, in popularity; right: first by the session, third by the other
    assert found.scores["near"] == pytest.approx(2.5 / 62)
    assert found.scores["right"] == pytest.approx(1 / 61 + 1 / 63)
    assert found.scores["cable"] == pytest.approx(1 / 61)
    assert found.scores["x"] == pytest.approx(0.5 / 61)
    assert next(iter(found.scores)) == "near"


def test_vectors_of_another_model_are_not_compared_and_purchases_stand_for_them():
    profile = Profile(vector=UP, vector_model="other", bought={"right": 1.0})
    found = find("for_you", profile)
    assert found.sources == ("bought_vectors", "bought_together", "popular")
    assert find("for_you", Profile(vector=UP, vector_model="other")).sources == ("popular",)


def test_somebody_unknown_gets_what_is_popular_with_everybody():
    found = find("for_you")
    assert (list(found.scores), found.sources) == (["hit-1", "hit-2"], ("popular",))
    assert list(find("popular", Profile(cluster_popularity={"a": 0.1, "b": 0.2})).scores) == ["b", "a"]


def test_names_of_events_become_ids_where_they_differ():
    assert list(find("popular", id_field="ean").scores) == ["id of hit-1", "id of hit-2"]


def test_a_source_that_fails_gives_nothing_and_the_others_remain():
    found = find("for_you", Profile(vector=UP, vector_model="e", bought={"up": 1.0}), ask=away)
    assert found.sources == ("profile_vector", "popular")
    assert find("bought_together", liked="right", ask=away).scores == {}
