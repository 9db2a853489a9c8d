"""The fields of a hit or a product that features are made of and behaviour is counted on, in comparable form."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from middleware.config import FeatureFields
from middleware.features.dates import read_day, remaining


@dataclass(frozen=True, slots=True)
class HitFields:
    """What features read of one hit or product: names in comparable form, price in the shop's currency.

    `popularity` is not negative; `freshness`, in [0, 1], is what is left of its date's news value. An attribute is
    named `field=value`, with the field or pattern as it is configured.
    """

    brand: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    price: float | None = None
    popularity: float | None = None
    freshness: float | None = None
    attributes: tuple[str, ...] = ()


def read_hit_fields(
    values: Mapping[str, Sequence[object]], fields: FeatureFields, *, day: int | None = None
) -> HitFields:
    """Fields of one hit from its values by field name; what is missing or malformed is left out, never an error.

    Of several prices the lowest counts, the one a shop shows as "from"; of several popularities the greatest, of
    several dates the latest. `day`: the present one; without it popularity and freshness are not read.
    """
    prices = [price for price in map(_number, _values_of(values, fields.price)) if price]
    names = _names(_values_of(values, fields.brand)), _names(_values_of(values, fields.category))
    attributes = _attributes(values, fields.attributes) if fields.attributes else ()
    if day is None:
        return HitFields(*names, min(prices, default=None), attributes=attributes)
    counts = [count for count in map(_number, _values_of(values, fields.popularity)) if count is not None]
    days = [date for date in map(read_day, _values_of(values, fields.date)) if date is not None]
    freshness = remaining(max(days), fields.half_life_days, day) if days else None
    return HitFields(*names, min(prices, default=None), max(counts, default=None), freshness, attributes)


def _attributes(values: Mapping[str, Sequence[object]], fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{field}={name}" for field in fields for name in _names(values.get(field, ())))


def _values_of(values: Mapping[str, Sequence[object]], field: str | None) -> Sequence[object]:
    return values.get(field, ()) if field else ()


def _names(values: Sequence[object]) -> tuple[str, ...]:
    names = (_name(value) for value in values)
    return tuple(dict.fromkeys(name for name in names if name))


def _name(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return _comparable(str(value))


@lru_cache(maxsize=4096)  # a catalogue has few brands and categories, and every search meets them again
def _comparable(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _number(value: object) -> float | None:
    """A finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
