"""A pause after each failure, doubled up to a bound, and forgotten after a success."""

from __future__ import annotations

from middleware.backoff import Backoff


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(first_s=1.0, longest_s=5.0)
    assert [backoff.failed(10.0) for _ in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert backoff.until == 15.0
    backoff.succeeded()
    assert (backoff.failures, backoff.until) == (0, 0.0)
    assert backoff.failed(20.0) == 1.0


def test_failures_without_end_stay_within_the_longest() -> None:
    backoff = Backoff(first_s=0.5, longest_s=60.0)
    assert max(backoff.failed(0.0) for _ in range(5000)) == 60.0
