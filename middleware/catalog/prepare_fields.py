"""Whole records: field names, ids, missing fields, numbers and attributes, by rules that the report can print."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

MAX_ID_BYTES = 512


@dataclass(frozen=True, slots=True)
class FillRule:
    """A missing `field` takes the first of `sources` that is there, else `default` (None: it stays missing)."""

    field: str
    sources: tuple[str, ...]
    default: Any = None


# A brand or a category is never invented: "unknown" would look like a taste that users share.
FILL_RULES: tuple[FillRule, ...] = (
    FillRule("title", ("name", "product_name", "product_title", "title_zh")),
    FillRule("brand", ("supplier", "manufacturer", "vendor", "product_brand")),
    FillRule("category", ("product_type", "categories", "category_name", "attr_t_product_type")),
    FillRule("description", ("short_description", "long_description", "product_description", "summary")),
    FillRule("price", ("sale_price", "list_price")),
    FillRule("popularity", ("sales_rank_score", "views"), 0.0),
)
ID_SOURCES = ("id", "_id", "product_id", "sku", "asin")
NUMBERS = ("price", "popularity")
TRUE, FALSE = frozenset({"true", "yes", "1", "y"}), frozenset({"false", "no", "0", "n"})
# Names that Elasticsearch keeps for itself inside a document.
METADATA = frozenset({"_id", "_index", "_type", "_routing", "_source", "_field_names", "_ignored", "_version"})
_AMOUNT = re.compile(r"^\D{0,4}?(-?\d[\d.,\s']*)\D{0,4}$")


class FieldFault(Exception):
    """The record cannot be indexed: `reason` is a short code for the report."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def rename_fields(document: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """`document` with the fields of `names` (source to target) under their targets, which they overwrite."""
    if not names.keys() & document.keys():
        return document
    moved = {target: document[source] for source, target in names.items() if source in document}
    return {**{field: value for field, value in document.items() if field not in names}, **moved}


def settle_id(document: dict[str, Any], id_field: str | None) -> str:
    """The document's id: `id_field`, else the first of ID_SOURCES, else a hash of the whole record.

    Raises FieldFault where the id cannot be one for Elasticsearch.
    """
    sources = (id_field,) if id_field else ID_SOURCES
    value = next((document[name] for name in sources if document.get(name) not in (None, "")), None)
    if value is None:
        if id_field:
            raise FieldFault("no_id", f"no field {id_field!r}")
        plain = json.dumps(document, sort_keys=True, ensure_ascii=False).encode("utf-8", "backslashreplace")
        return f"auto-{blake2b(plain, digest_size=12).hexdigest()}"
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise FieldFault("bad_id", f"an id is a text or a whole number, not {type(value).__name__}")
    identity = str(value).strip()
    if not identity or len(identity.encode("utf-8", "replace")) > MAX_ID_BYTES:
        raise FieldFault("bad_id", f"an id has 1 to {MAX_ID_BYTES} bytes")
    return identity


def fill_missing(document: dict[str, Any]) -> tuple[str, ...]:
    """Fill `document` in place by FILL_RULES; returns which fields."""
    filled = []
    for rule in FILL_RULES:
        if not is_missing(document.get(rule.field)):
            continue
        value = next((document[name] for name in rule.sources if not is_missing(document.get(name))), rule.default)
        if value is not None:
            document[rule.field] = value
            filled.append(rule.field)
    return tuple(filled)


def is_missing(value: Any) -> bool:
    """True for what says nothing: null, a blank text, an empty list or object."""
    return value is None or value == [] or value == {} or (isinstance(value, str) and not value.strip())


def type_fields(document: dict[str, Any], price_divisor: float = 1.0) -> bool:
    """Numbers and flags that came as text become what the mapping wants, in place; returns whether any did.

    Raises FieldFault where price or popularity is no finite number.
    """
    changed = False
    for field, value in list(document.items()):
        typed = value
        if field in NUMBERS:
            typed = _number(field, value)
            if field == "price" and typed is not None and price_divisor != 1.0:
                typed = round(typed / price_divisor, 4)
        elif field.startswith("attr_n_") and isinstance(value, str):
            typed = _number(field, value)
        elif field.startswith("attr_b_") and isinstance(value, str):
            typed = True if value.lower() in TRUE else False if value.lower() in FALSE else value
        elif field == "attributes" and isinstance(value, dict):
            typed = [{"name": name, "value": _attribute_text(item)} for name, item in value.items()]
        if typed is not value:
            document[field] = typed
            changed = True
    return changed


def _attribute_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_attribute_text(item) for item in value]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(field: str, value: Any) -> float | int | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return value
    match = _AMOUNT.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise FieldFault("bad_number", f"{field} is no number: {str(value)[:60]!r}")
    return _amount(field, re.sub(r"[\s']", "", match[1]))


def _amount(field: str, digits: str) -> float:
    """1,299.00 and 1.299,00 alike: the last of two different marks is the decimal one, a lone mark before 3 digits
    groups thousands only where it is a comma."""
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        grouping = "," if comma < point else "."
        digits = digits.replace(grouping, "").replace(",", ".")
    elif comma >= 0:
        grouped = digits.count(",") > 1 or len(digits) - comma == 4
        digits = digits.replace(",", "" if grouped else ".")
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    try:
        return float(digits)
    except ValueError as error:
        raise FieldFault("bad_number", f"{field} is no number: {digits!r}") from error
