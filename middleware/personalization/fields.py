"""The fields of a hit or a product that behaviour is counted on, brought into comparable form once for all."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from middleware.config import FeatureFields


@dataclass(frozen=True, slots=True)
class HitFields:
    """What the profile features read of one hit or product: names in comparable form, price in the shop's currency."""

    brand: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    price: float | None = None


def read_hit_fields(values: Mapping[str, Sequence[object]], fields: FeatureFields) -> HitFields:
    """Fields of one hit from its values by field name; what is missing or malformed is left out, never an error.

    Of several prices the lowest counts, the one a shop shows as "from".
    """
    prices = [price for price in map(_price, _values_of(values, fields.price)) if price is not None]
    return HitFields(
        brand=_names(_values_of(values, fields.brand)),
        category=_names(_values_of(values, fields.category)),
        price=min(prices, default=None),
    )


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


def _price(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        price = float(value)
    except (ValueError, OverflowError):
        return None
    return price if math.isfinite(price) and price > 0 else None
