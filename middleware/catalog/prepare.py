"""From a record as read to a document as indexed: every step can be switched off and is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from middleware.catalog.prepare_duplicates import (
    NEAR_DUPLICATE_FIELDS,
    FingerprintSet,
    fingerprint_of,
    near_duplicate_fingerprint,
)
from middleware.catalog.prepare_fields import (
    METADATA,
    FieldFault,
    fill_missing,
    is_missing,
    rename_fields,
    settle_id,
    type_fields,
)
from middleware.catalog.prepare_text import fold_unicode, squeeze_whitespace, strip_controls, strip_markup
from middleware.catalog.prepare_units import find_quantities, normalise_units
from middleware.catalog.read import Record, Reject

# Codes and addresses are taken as they are.
VERBATIM = frozenset({"id", "ean", "sku", "asin", "gtin", "url", "image", "image_url", "date_released", "currency"})
VERBATIM_PREFIXES = ("img_", "date_")
# Attributes are respelt where they stand. Texts that people read keep their spelling, which queries repeat: their
# quantities are listed beside them, in the field `quantities`.
RESPELT = "attr"
READ = ("title", "title_zh", "name", "description", "description_zh", "short_description")


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """Which steps run, and what they take as given; the names of the switches are those of the report."""

    strip_markup: bool = True
    strip_controls: bool = True
    fold_unicode: bool = True
    normalise_units: bool = True
    squeeze_whitespace: bool = True
    fill_missing: bool = True
    type_fields: bool = True
    drop_duplicates: bool = True
    drop_near_duplicates: bool = True
    near_duplicate_fields: tuple[str, ...] = NEAR_DUPLICATE_FIELDS
    rename: Mapping[str, str] = field(default_factory=dict)
    id_field: str | None = None
    price_divisor: float = 1.0

    def switches(self) -> dict[str, bool]:
        """Step name to on or off, in the order in which the steps run."""
        return {item.name: value for item in fields(self) if isinstance(value := getattr(self, item.name), bool)}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document on its way into the index; `line` is where its record starts, `index` None where the loader knows."""

    line: int
    id: str
    document: dict[str, Any]
    raw: str
    index: str | None = None


TextStep = Callable[[str], str]


class Preparer:
    """Prepares the records of one input, in order; `counts` says how many records each step changed or dropped."""

    def __init__(self, options: PrepareOptions | None = None) -> None:
        self.options = options or PrepareOptions()
        self.counts: Counter[str] = Counter({name: 0 for name, on in self.options.switches().items() if on})
        self._ids = FingerprintSet()
        self._titles = FingerprintSet()
        self._text_steps = self._choose_text_steps()

    def prepare(self, record: Record) -> Prepared | Reject:
        """The document of `record`, or why there is none. Of duplicates the first stays."""
        document = rename_fields(record.document, self.options.rename)
        try:
            identity = settle_id(document, self.options.id_field)
            document = self._clean(document)
            self._fill(document)
            self._type(document)
        except FieldFault as fault:
            return Reject(record.line, fault.reason, str(fault), record.raw)
        except RecursionError:
            return Reject(record.line, "too_deep", "nested too deeply", record.raw)
        if is_missing(document.get("title")):
            return Reject(record.line, "no_title", "neither a title nor anything to fill it from", record.raw)
        document["id"] = identity
        duplicate = self._find_duplicate(identity, document)
        if duplicate is not None:
            self.counts[f"drop_{duplicate}s"] += 1
            return Reject(record.line, duplicate, f"{identity}: an earlier record stays", record.raw)
        return Prepared(record.line, identity, document, record.raw)

    def _choose_text_steps(self) -> tuple[tuple[str, TextStep], ...]:
        steps: dict[str, TextStep] = {
            "strip_markup": strip_markup,
            "strip_controls": strip_controls,
            "fold_unicode": fold_unicode,
            "normalise_units": normalise_units,
            "squeeze_whitespace": squeeze_whitespace,
        }
        on = self.options.switches()
        return tuple((name, step) for name, step in steps.items() if on[name])

    def _clean(self, document: dict[str, Any]) -> dict[str, Any]:
        changed: set[str] = set()
        cleaned = {
            name: value if _is_verbatim(name) else self._clean_value(value, name.startswith(RESPELT), changed)
            for name, value in document.items()
            if name not in METADATA
        }
        if self.options.normalise_units and _list_quantities(cleaned):
            changed.add("normalise_units")
        self.counts.update(changed)
        return cleaned

    def _clean_value(self, value: Any, measured: bool, changed: set[str]) -> Any:
        if isinstance(value, str):
            for name, step in self._text_steps:
                if name == "normalise_units" and not measured:
                    continue
                cleaned = step(value)
                if cleaned != value:
                    changed.add(name)
                    value = cleaned
            return value
        if isinstance(value, list):
            return [self._clean_value(item, measured, changed) for item in value]
        if isinstance(value, dict):
            return {name: self._clean_value(item, measured, changed) for name, item in value.items()}
        return value

    def _fill(self, document: dict[str, Any]) -> None:
        if not self.options.fill_missing:
            return
        filled = fill_missing(document)
        self.counts["fill_missing"] += bool(filled)
        self.counts.update(f"fill_missing.{name}" for name in filled)

    def _type(self, document: dict[str, Any]) -> None:
        if self.options.type_fields:
            self.counts["type_fields"] += type_fields(document, self.options.price_divisor)

    def _find_duplicate(self, identity: str, document: dict[str, Any]) -> str | None:
        if self.options.drop_duplicates and not self._ids.add(fingerprint_of([identity])):
            return "duplicate"
        if not self.options.drop_near_duplicates:
            return None
        key = near_duplicate_fingerprint(document, self.options.near_duplicate_fields)
        return None if self._titles.add(key) else "near_duplicate"


def _list_quantities(document: dict[str, Any]) -> bool:
    """Fill `quantities` from the texts of `document`; whether there were any."""
    texts = (text for text in map(document.get, READ) if isinstance(text, str))
    found = dict.fromkeys(quantity for text in texts for quantity in find_quantities(text))
    if found:
        document.setdefault("quantities", list(found))
    return bool(found)


def _is_verbatim(name: str) -> bool:
    return name in VERBATIM or name.startswith(VERBATIM_PREFIXES)
