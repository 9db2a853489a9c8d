from __future__ import annotations

import contextlib
import gzip
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.compression import TooLarge, accepted, compress, decompress
from middleware.search.json_text import Unreadable

codings = st.lists(st.sampled_from(("gzip", "x-gzip", "deflate", "identity", "GZIP")), max_size=4)


@given(st.binary(max_size=500), codings)
def test_codings_are_undone_last_one_first(data, names) -> None:
    coded = data
    for name in names:
        coded = compress(coded, name)
    assert decompress(coded, ", ".join(names), 10_000) == data


def test_deflate_comes_with_zlibs_wrapping_or_without() -> None:
    raw = zlib.compressobj(wbits=-15)
    assert decompress(raw.compress(b"x" * 100) + raw.flush(), "deflate", 100) == b"x" * 100
    assert decompress(zlib.compress(b"x" * 100), "deflate", 100) == b"x" * 100


def test_members_of_a_gzip_file_follow_each_other() -> None:
    assert decompress(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 2) == b"ab"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_stops_at_the_bound(coding) -> None:
    bomb = compress(b"\0" * 50_000_000, coding)
    assert len(decompress(bomb, coding, 50_000_000)) == 50_000_000
    for data, names in ((bomb, coding), (compress(bomb, "gzip"), f"{coding}, gzip")):
        start = time.process_time()
        with pytest.raises(TooLarge):
            decompress(data, names, 1_000_000)
        assert time.process_time() - start < 0.5


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("cut", [1, 4, 9, 20])
def test_truncated_data_is_unreadable(coding, cut) -> None:
    with pytest.raises(Unreadable):
        decompress(compress(b"some text that is long enough " * 3, coding)[:-cut], coding, 1_000)


@given(st.binary(max_size=100), st.sampled_from(("gzip", "deflate", "gzip, deflate")))
def test_arbitrary_bytes_raise_nothing_but_unreadable(data, coding) -> None:
    with contextlib.suppress(Unreadable):
        decompress(data, coding, 1_000)


@pytest.mark.parametrize(
    ("data", "coding"),
    [(b"x", "br"), (b"x", "gzip, br"), (b"", "gzip"), (gzip.compress(b"a") + b"x", "gzip"),
    (zlib.compress(b"a") + b"x", "deflate"),
     (gzip.compress(b"") * 1_000, "gzip"), (b"x", "gzip,gzip,gzip,gzip,gzip")],
)  # fmt: skip
def test_other_codings_and_data_behind_the_end_are_unreadable(data, coding) -> None:
    with pytest.raises(Unreadable):
        decompress(data, coding, 1_000)


def test_a_body_as_it_is_has_a_bound_too() -> None:
    assert decompress(b"xx", "", 2) == b"xx"
    with pytest.raises(TooLarge):
        decompress(b"xx", "identity", 1)


def test_a_coding_that_we_lack_is_not_applied() -> None:
    with pytest.raises(ValueError, match="br"):
        compress(b"", "br")


@pytest.mark.parametrize(
    ("sent", "upstream"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip;q=0.8"),
        ("GZIP ; Q=0.5 , deflate", "GZIP;q=0.5, deflate"),
        ("br", "identity"),
        ("", "identity"),
        ("identity", "identity"),
        ("gzip;q=0", "identity"),
        ("*", "gzip"),
        ("*;q=0.5, br", "gzip;q=0.5"),
        ("*, gzip;q=0", "identity"),
        ("deflate, identity;q=0", "deflate, identity;q=0"),
        ("gzip;q=2, deflate", "deflate"),
        ("gzip;level=9", "identity"),
    ],
)
def test_upstream_is_offered_what_the_client_takes_and_we_can_undo(sent, upstream) -> None:
    assert accepted(sent) == upstream
