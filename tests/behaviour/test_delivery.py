"""How waiting records reach a cluster that takes them, refuses some, is away, or does not understand."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from middleware.behaviour.cluster_writer import ClusterAway, ClusterWriter, Fate
from middleware.behaviour.record import Record
from middleware.behaviour.sink import EventSink, open_sink
from middleware.config import Settings
from middleware.errors import UpstreamError
from middleware.message import Response


class FakeCluster:
    """An upstream that keeps documents; `statuses` by id, `whole` a status for `_bulk` as such, None: unreachable."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict] = {}
        self.indices: set[str] = set()
        self.statuses: dict[str, int] = {}
        self.poison: set[str] = set()
        self.whole: int | None = 200
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict] = []

    def search(self, request, target, body, own_headers):
        self.requests.append((request.method, target))
        self.headers.append(dict(own_headers))
        if self.whole is None:
            raise UpstreamError("connection refused")
        if target != "/_bulk":
            return self._index(request.method, target[1:])
        lines = [json.loads(each) for each in body.splitlines()]
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        if self.whole != 200 or any(action["create"]["_id"] in self.poison for action, _ in pairs):
            return Response(self.whole if self.whole != 200 else 400, (), (b"malformed",))
        items = [self._create(action["create"], document) for action, document in pairs]
        return Response(200, (), (json.dumps({"items": [{"create": item} for item in items]}).encode(),))

    def _index(self, method: str, name: str) -> Response:
        if method == "PUT":
            self.indices.add(name)
        return Response(200 if name in self.indices else 404, (), (b"{}",))

    def _create(self, action: dict, document: dict) -> dict:
        key = (action["_index"], action["_id"])
        status = self.statuses.get(action["_id"], 409 if key in self.documents else 201)
        if status == 201:
            self.documents[key] = document
        error = {"type": "mapper_parsing_exception", "reason": "no"} if status not in (201, 409) else None
        return {"status": status, "error": error}

    @property
    def ids(self) -> set[str]:
        return {name for _, name in self.documents}


class Counted:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count_received(self, accepted: int, refused: int) -> None:
        self.counts.update(accepted=accepted, unaccepted=refused)

    def count_sent(self, fate: Fate, records: int) -> None:
        self.counts[fate.value] += records

    def see_spool(self, stored_bytes: int, oldest_age_s: float) -> None:
        self.stored_bytes = stored_bytes


def records(*names: str, index: str = "ubi_events") -> list[Record]:
    return [Record(index, name, {"client_id": "u1.x", "n": name}) for name in names]


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def watch() -> Counted:
    return Counted()


@pytest.fixture
def sink(cluster, watch, tmp_path):
    sink = open_sink(Settings(events={"spool": tmp_path, "api_key": "k", "flush_ms": 1}), cluster, watch)
    yield sink
    sink.close()


def run_pass(sink: EventSink) -> bool:
    return sink._delivery.run_pass()


def test_records_are_written_once_and_their_index_is_made_first(sink, cluster, watch):
    sink.put(records("a", "b"))
    sink.put(records("b", "q"))
    assert run_pass(sink)
    assert cluster.ids == {"a", "b", "q"}
    assert cluster.requests[:2] == [("HEAD", "/ubi_events"), ("PUT", "/ubi_events")]
    assert watch.counts == {"accepted": 4, "unaccepted": 0, "written": 3, "duplicate": 1, "again": 0, "refused": 0}
    assert sink.status().stored_bytes == 0
    assert all(headers["Authorization"] == "ApiKey k" for headers in cluster.headers)


def test_what_the_cluster_refuses_becomes_a_dead_letter_and_holds_up_nothing(sink, cluster, tmp_path):
    cluster.statuses["bad"] = 400
    sink.put(records("a", "bad", "b"))
    assert run_pass(sink)
    assert cluster.ids == {"a", "b"}
    (file,) = tmp_path.glob("dead-letters/*.ndjson")
    letter = json.loads(file.read_text())
    assert letter["id"] == "bad"
    assert "mapper_parsing_exception" in letter["reason"]
    assert [record.id for record in sink.find("u1.x")] == ["bad"]


def test_what_the_cluster_wants_later_is_sent_again_and_holds_up_nothing(sink, cluster):
    cluster.statuses["busy"] = 429
    sink.put(records("a", "busy"))
    assert not run_pass(sink)
    sink.put(records("b"))
    assert not run_pass(sink)
    assert cluster.ids == {"a", "b"}
    del cluster.statuses["busy"]
    assert run_pass(sink)
    assert cluster.ids == {"a", "b", "busy"}
    assert sink.status().stored_bytes == 0


@pytest.mark.parametrize("status", [None, 429, 503, 502, 401, 403, 404, 400])
def test_while_the_cluster_is_away_everything_waits(sink, cluster, status, tmp_path):
    cluster.whole = status
    sink.put(records("a", "b"))
    for _ in range(3):
        with pytest.raises(ClusterAway):
            run_pass(sink)
    cluster.whole = 200
    assert run_pass(sink)
    assert cluster.ids == {"a", "b"}
    assert not list(tmp_path.glob("dead-letters/*"))


def test_one_record_that_spoils_the_whole_bulk_is_found_and_set_aside(sink, cluster):
    cluster.poison = {"e5"}
    sink.put(records(*(f"e{number}" for number in range(9))))
    assert run_pass(sink)
    assert cluster.ids == {f"e{number}" for number in range(9)} - {"e5"}
    assert [record.id for record in sink.find("u1.x")] == ["e5"]


def test_an_index_that_vanished_is_made_again():
    cluster, now = FakeCluster(), [0.0]
    writer = ClusterWriter(cluster, dict, {"ubi_events": {}}, lambda: now[0])
    writer.write(records("a"))
    cluster.indices.clear()
    writer.write(records("b"))
    assert not cluster.indices
    now[0] = 11.0
    writer.write(records("c"))
    assert cluster.indices == {"ubi_events"}


def test_the_background_thread_writes_and_listeners_hear_of_what_is_safe(sink, cluster, watch):
    heard: list[str] = []

    def fail(_records) -> None:
        raise ValueError("a listener's bug")

    sink.on_accepted += [fail, lambda batch: heard.extend(record.id for record in batch)]
    sink.start()
    sink.put(records("a"))
    assert sink.put_soon(records("b"))
    sink.close()
    assert heard == ["a", "b"]
    assert cluster.ids == {"a", "b"}


def test_a_cluster_that_comes_back_gets_what_waited(sink, cluster):
    cluster.whole = None
    sink.start()
    sink.put(records("a"))
    for _ in range(200):
        if sink.status().trouble:
            break
        sink._delivery._stopping.wait(0.01)
    assert "connection refused" in str(sink.status().trouble)
    cluster.whole = 200
    for _ in range(500):
        if cluster.ids:
            break
        sink._delivery._stopping.wait(0.01)
    assert cluster.ids == {"a"}


def test_erased_records_are_never_sent(sink, cluster):
    sink.put(records("a"))
    sink.put([Record("ubi_events", "b", {"client_id": "u1.y"})])
    assert sink.erase("u1.x") == 1
    assert run_pass(sink)
    assert cluster.ids == {"b"}


def test_what_is_of_somebody_erased_since_is_dropped_unwritten(sink, cluster):
    sink._delivery._is_erased = lambda record: record.id == "a"
    sink.put(records("a", "b"))
    assert run_pass(sink)
    assert cluster.ids == {"b"}
    assert sink.find("u1.x") == ()
