"""Where ads go, by hand and for any ranking: only up, never more than were allowed, the others in their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from middleware.ads.ad import Ad
from middleware.ads.blend import Offer, blend, most_ads


def offer(bid, relevance=1.0):
    return Offer(Ad(f"ad-{bid}", "p", bid), relevance)


def test_the_most_valuable_takes_the_first_slot():
    found = blend([10, 11, 12, 13, 14], {13: offer(2.0, 0.5), 14: offer(1.2, 0.9)}, [1, 3], 2)
    assert found.positions == [14, 10, 13, 11, 12]
    assert set(found.sponsored) == {13, 14}


def test_who_stands_in_the_slot_or_above_does_not_pay_for_it():
    found = blend([10, 11, 12], {10: offer(9.0), 12: offer(1.0)}, [1, 2], 2)
    assert found.positions == [12, 10, 11]
    assert set(found.sponsored) == {12}
    assert not blend([10, 11], {10: offer(9.0)}, [1], 1).sponsored


def test_no_more_are_shown_than_the_share_allows():
    offers = {place: offer(1.0 + place) for place in range(5, 20)}
    assert len(blend(range(20), offers, [1, 2, 3, 4], 2).sponsored) == 2
    assert most_ads(10, 0.2) == 2
    assert most_ads(10, 0.3) == 3
    assert most_ads(4, 0.2) == 0


@given(
    st.permutations(range(12)),
    st.dictionaries(st.integers(0, 11), st.floats(0.01, 9), max_size=12),
    st.lists(st.integers(1, 14), unique=True, max_size=5).map(sorted),
    st.integers(0, 4),
)
def test_ads_only_move_up_and_the_others_keep_their_order(order, bids, slots, most):
    found = blend(order, {position: offer(bid) for position, bid in bids.items()}, slots, most)
    assert sorted(found.positions) == sorted(order)
    assert len(found.sponsored) <= most
    assert [each for each in found.positions if each not in found.sponsored] == [
        each for each in order if each not in found.sponsored
    ]
    for position in found.sponsored:
        place = found.positions.index(position)
        assert place < order.index(position)
        assert place + 1 in slots
