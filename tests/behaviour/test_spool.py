"""What a spool acknowledged is there, whoever is killed when; it is bounded, and what is erased in it is gone."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from middleware.behaviour import segments as segments_module
from middleware.behaviour.dead_letters import DeadLetters
from middleware.behaviour.record import Record, decode, encode
from middleware.behaviour.segments import lines_from, segments_in
from middleware.behaviour.spool import Spool, SpoolUnavailable
from middleware.errors import Rejected

ANNA, BEN = "u1.annaannaannaannaannaanna", "u1.benbenbenbenbenbenbenben"


def line(name: str, user: str = ANNA) -> bytes:
    return encode(Record("ubi_events", name, {"client_id": user, "text": "ü" * 20}))


def ids(spool: Spool) -> list[str]:
    """The ids of all that can be sent, in order."""
    spool.seal()
    found = [decode(each.text) for path in spool.sealed() for each in lines_from(path) if not each.is_blank]
    assert None not in found
    return [record.id for record in found if record]


def die(spool: Spool) -> None:
    """What the system does for a process that is killed: its locks go, its files stay as they are."""
    for room in spool._rooms():
        os.close(room._lock)


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "spool"


def make(root: Path, max_bytes: int = 10**6, segment_bytes: int = 500) -> Spool:
    return Spool(root, max_bytes, segment_bytes)


def test_what_was_appended_can_be_sent_in_order(root):
    spool = make(root)
    names = [f"e{number}" for number in range(20)]
    for name in names:
        spool.append(line(name))
    assert len(segments_in(next(root.glob("room-*")))) > 1
    assert ids(spool) == names


def test_an_unused_spool_leaves_no_trace(root):
    spool = make(root)
    spool.take_over()
    spool.seal()
    assert spool.sealed() == []
    spool.close()
    assert not root.exists()


def test_a_full_spool_refuses_and_has_room_again_after_sending(root):
    spool = make(root, max_bytes=5 * len(line("e0")))
    for number in range(5):
        spool.append(line(f"e{number}"))
    with pytest.raises(Rejected, match=r"events\.spool_max_bytes") as full:
        spool.append(line("e5"))
    assert full.value.status == 429
    assert full.value.retry_after_s > 0
    spool.seal()
    for segment in spool.sealed():
        spool.remove(segment)
    assert spool.stored_bytes == 0
    spool.append(line("e6"))


def test_the_bound_counts_what_other_processes_keep(root):
    other, spool = make(root), make(root, max_bytes=5 * len(line("e0")))
    for number in range(4):
        other.append(line(f"e{number}"))
    spool.take_over()
    spool.append(line("e4"))
    with pytest.raises(Rejected):
        spool.append(line("e5"))


def test_the_living_keep_their_rooms_and_the_dead_leave_them_to_one(root):
    first, second, third = make(root), make(root), make(root)
    first.append(line("a"))
    second.append(line("b"))
    third.take_over()
    assert third.sealed() == []
    die(first)
    third.take_over()
    second.take_over()
    assert ids(third) == ["a"]
    assert ids(second) == ["b"]
    third.remove(third.sealed()[0])
    assert len(list(root.glob("room-*"))) == 1


def test_a_torn_last_line_is_cut_off_and_costs_no_other(root):
    spool = make(root)
    spool.append(line("a") + line("b"))
    die(spool)
    (segment,) = root.glob("room-*/*.segment")
    with segment.open("ab") as file:
        file.write(line("torn")[:-20])
    heir = make(root)
    heir.take_over()
    assert ids(heir) == ["a", "b"]
    assert b"torn" not in segment.read_bytes()


def test_a_disk_that_fails_is_no_acknowledgement_and_no_end(root, monkeypatch):
    spool = make(root)
    spool.append(line("a"))

    def fail(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(segments_module, "_sync", fail)
        with pytest.raises(SpoolUnavailable, match="No space left"):
            spool.append(line("b"))
    spool.append(line("c"))
    assert ids(spool) == ["a", "c"]
    assert spool.stored_bytes == len(line("a")) + len(line("c"))


def test_many_threads_share_flushes_and_lose_nothing(root, monkeypatch):
    flushes = []
    sync = segments_module._sync
    monkeypatch.setattr(segments_module, "_sync", lambda file: (flushes.append(file), sync(file)))
    spool = make(root, segment_bytes=10_000)

    def work(worker: int) -> None:
        for number in range(25):
            spool.append(line(f"{worker}-{number}"))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(spool)) == sorted(f"{worker}-{number}" for worker in range(8) for number in range(25))
    assert len(flushes) < 200


def test_a_user_is_found_and_erased_in_every_room_and_nothing_else_is_touched(root):
    mine, other = make(root), make(root)
    for spool in (mine, other):
        spool.append(line("a", ANNA) + line("b", BEN))
        spool.append_soon(line("c", ANNA))
    assert sorted(record.id for record in mine.find(ANNA)) == ["a", "a", "c"]
    other.flush()
    assert mine.erase(ANNA) == 4
    assert mine.find(ANNA) == ()
    other.append(line("d", BEN))
    assert ids(mine) == ["b"]
    assert ids(other) == ["b", "d"]
    assert not any(ANNA.encode() in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_dead_letters_are_found_erased_and_bounded(root):
    days = iter([1e9, 2e9, 2e9])
    letters = DeadLetters(root, 300, lambda: next(days))
    for user in (ANNA, ANNA, BEN):
        letters.add([(Record("ubi_events", "x", {"client_id": user}), "400 mapper_parsing_exception")])
    assert [record.id for record in letters.find(ANNA)] == ["x"]
    assert letters.erase(ANNA) == 1
    assert letters.find(ANNA) == ()
    assert len(letters.find(BEN)) == 1


STEPS = st.lists(st.sampled_from(["append", "many", "soon", "send", "part", "die", "torn", "seal"]), max_size=25)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, cut=st.integers(1, 60))
def test_nothing_acknowledged_is_lost_wherever_the_process_dies(tmp_path_factory, steps, cut):
    root = tmp_path_factory.mktemp("spool") / "spool"
    spool, acknowledged, sent = make(root), set(), set()
    for number, step in enumerate(steps):
        name = f"e{number}"
        if step == "append":
            spool.append(line(name))
            acknowledged.add(name)
        elif step == "many":
            spool.append(b"".join(line(f"{name}-{each}") for each in range(8)))
            acknowledged |= {f"{name}-{each}" for each in range(8)}
        elif step == "soon":
            spool.append_soon(line(name))
        elif step == "seal":
            spool.seal()
        elif step in ("send", "part"):  # a part: killed between the sending and the deleting
            sent |= set(ids(spool))
            for segment in spool.sealed() if step == "send" else []:
                spool.remove(segment)
        else:
            open_segment = spool._open.path if spool._open else None
            die(spool)
            if step == "torn" and open_segment:
                with open_segment.open("ab") as file:
                    file.write(line("torn")[:-cut])
            spool = make(root)
            spool.take_over()
    sent |= set(ids(spool))
    assert acknowledged <= sent
    assert "torn" not in sent
