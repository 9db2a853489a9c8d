"""Dates in whatever form an index has them, as days: what ages are counted in."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import lru_cache

_SECONDS_PER_DAY = 86_400
_YEAR_OR_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")
# A number among these is a year, any other epoch milliseconds, as Elasticsearch writes dates.
_YEARS = range(1970, 3000)


def today() -> int:
    """Days since 1970, in UTC: ages are counted in whole days, so that a search has one answer all day."""
    return int(time.time() // _SECONDS_PER_DAY)


def read_day(value: object) -> float | None:
    """Days from 1970 to the date in an ISO string, a year, a month, or epoch milliseconds; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _read_day(value)


@lru_cache(maxsize=10_000)
def _read_day(value: str | float) -> float | None:
    try:
        if isinstance(value, str) and not value.isdigit():
            return _read_iso(value)
        if int(value) in _YEARS:
            return _read_iso(str(int(value)))
        return float(value) / (1000 * _SECONDS_PER_DAY)
    except (ValueError, OverflowError):
        return None


def _read_iso(text: str) -> float:
    short = _YEAR_OR_MONTH.fullmatch(text)
    date = datetime(int(short[1]), int(short[2] or 1), 1) if short else datetime.fromisoformat(text)
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return aware.timestamp() / _SECONDS_PER_DAY


def remaining(day: float, half_life_days: float, now: int) -> float:
    """What is left of a date's news value on the day `now`: 0.5 ^ (age / half-life), 1 for a date to come."""
    return float(0.5 ** (max(0.0, now - day) / half_life_days))
