"""Erasures as a writer knows them: read again after a while, and not forgotten where they cannot be read."""

from __future__ import annotations

from middleware.errors import UpstreamError
from middleware.privacy.tombstones import Erasures


class FakeArchive:
    def __init__(self) -> None:
        self.buried: dict[str, int] = {}
        self.asked: list[int] = []
        self.is_away = False

    def hits(self, index, query, **_):
        if self.is_away:
            raise UpstreamError("away")
        since = query["range"]["erased_at"]["gte"]
        self.asked.append(since)
        return iter([{"_id": name, "_source": {"erased_at": at}} for name, at in self.buried.items() if at >= since])


def test_what_was_done_before_an_erasure_is_covered_and_what_came_after_is_not():
    archive = FakeArchive()
    archive.buried["u1.a"] = 5_000_000
    erasures = Erasures(lambda: archive, "erasures")
    assert erasures.covers("u1.a", 4999.0)
    assert erasures.covers("u1.a", 5000.0)
    assert not erasures.covers("u1.a", 5000.1)
    assert not erasures.covers("u1.b", 1.0)
    assert len(archive.asked) == 1


def test_new_erasures_are_seen_after_a_while_and_only_new_ones_are_asked_for():
    archive, now = FakeArchive(), [0.0]
    archive.buried["u1.a"] = 5_000_000
    erasures = Erasures(lambda: archive, "erasures", most_age_s=5, clock=lambda: now[0])
    assert not erasures.covers("u1.b", 1.0)
    archive.buried["u1.b"] = 6_000_000
    now[0] = 4.9
    assert not erasures.covers("u1.b", 1.0)
    now[0] = 5.0
    assert erasures.covers("u1.b", 1.0)
    assert archive.asked == [0, 5_000_000 - 600_000]


def test_while_the_cluster_is_away_those_known_count(caplog):
    archive, now = FakeArchive(), [0.0]
    archive.buried["u1.a"] = 5_000_000
    erasures = Erasures(lambda: archive, "erasures", clock=lambda: now[0])
    assert erasures.covers("u1.a", 1.0)
    archive.is_away, now[0] = True, 60.0
    assert erasures.covers("u1.a", 1.0)
    assert "erasures cannot be read" in caplog.text
    assert "u1.a" not in caplog.text
