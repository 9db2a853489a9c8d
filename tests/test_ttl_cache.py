"""The cache of profiles forgets by age and by disuse."""

from __future__ import annotations

from middleware.ttl_cache import TtlLruCache


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_remembered_none_differs_from_nothing_remembered():
    cache = TtlLruCache(2)
    cache.put("cold", None, 60)
    assert cache.get("cold") == (None,)
    assert cache.get("unknown") is None


def test_a_value_is_forgotten_when_its_time_is_over():
    clock = Clock()
    cache = TtlLruCache(2, clock)
    cache.put("anna", 1, 30)
    clock.now = 29.9
    assert cache.get("anna") == (1,)
    clock.now = 30.0
    assert cache.get("anna") is None
    assert len(cache) == 0


def test_the_least_recently_used_value_goes_first():
    cache = TtlLruCache(2)
    cache.put("anna", 1, 60)
    cache.put("bela", 2, 60)
    cache.get("anna")
    cache.put("cora", 3, 60)
    assert (cache.get("anna"), cache.get("bela"), cache.get("cora")) == ((1,), None, (3,))


def test_a_new_value_replaces_the_old_one():
    cache = TtlLruCache(2)
    cache.put("anna", 1, 60)
    cache.put("anna", 2, 60)
    assert cache.get("anna") == (2,)
    assert len(cache) == 1
