"""One spelling for quantities, so that `128 GB`, `128gb` and `128GB` are one token in the index."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnitRule:
    """A number before one of `spellings` (regular expressions, any case unless `exact_case`) is written as `shape`."""

    name: str
    meaning: str
    shape: str
    spellings: str
    example: str
    exact_case: bool = False


# Single letters (g, m, l) are left alone: "3 M", "5 G" and "2 L" mean too many other things.
UNIT_RULES: tuple[UnitRule, ...] = (
    UnitRule("inch", "length", "{} inch", "inch(?:es)?|in\\.(?!\\w)|zoll|pouces?|英寸|吋", '15,6" → 15.6 inch'),
    UnitRule("KB", "memory", "{}KB", "kb|kilobytes?", "64 kb → 64KB"),
    UnitRule("MB", "memory", "{}MB", "mb|megabytes?", "256 mb → 256MB"),
    UnitRule("GB", "memory", "{}GB", "gb|gigabytes?", "128 gb → 128GB"),
    UnitRule("TB", "memory", "{}TB", "tb|terabytes?", "1,5 TB → 1.5TB"),
    UnitRule("mAh", "charge", "{}mAh", "mah|milliamp(?:ere)?[ -]?hours?|毫安时?", "5000 mah → 5000mAh"),
    UnitRule("Wh", "energy", "{}Wh", "wh|watt[ -]?hours?", "50 wh → 50Wh"),
    UnitRule("kHz", "frequency", "{}kHz", "khz", "48 KHz → 48kHz"),
    UnitRule("MHz", "frequency", "{}MHz", "mhz", "1600 mhz → 1600MHz"),
    UnitRule("GHz", "frequency", "{}GHz", "ghz", "2,4 ghz → 2.4GHz"),
    UnitRule("Hz", "frequency", "{}Hz", "hz|hertz", "144 hz → 144Hz"),
    UnitRule("mm", "length", "{}mm", "mm|millimet(?:er|re)s?|毫米", "9 mm → 9mm"),
    UnitRule("cm", "length", "{}cm", "cm|centimet(?:er|re)s?|厘米", "30 cm → 30cm"),
    UnitRule("kg", "weight", "{}kg", "kg|kilograms?|kilos?|千克|公斤", "2 KG → 2kg"),
    UnitRule("ml", "volume", "{}ml", "ml|millilit(?:er|re)s?|毫升", "500 ML → 500ml"),
    UnitRule("W", "power", "{}W", "W|[Ww]atts?", "65 watt → 65W", exact_case=True),
    UnitRule("V", "voltage", "{}V", "V|[Vv]olts?", "12 volts → 12V", exact_case=True),
)

# A comma is a decimal mark before one or two digits and groups thousands before three.
_NUMBER = r"(?<![A-Za-z0-9_\u00c0-\u024f])(?<!\d[.,])(\d+(?:\.\d+|,\d{1,2}(?!\d)|(?:,\d{3})+)?)"
# Not before a letter of an alphabet (15 cms, 10 GbE) nor a slash (100 MB/s); Chinese goes on without a space.
_END = r"(?![A-Za-z0-9_\u00c0-\u024f/'’])"
_UNITS = "|".join(
    f"(?P<{rule.name}>{f'(?-i:{rule.spellings})' if rule.exact_case else rule.spellings})" for rule in UNIT_RULES
)
_QUANTITY = re.compile(rf"{_NUMBER}[ \-]?(?:{_UNITS}){_END}", re.I)
_INCH_MARK = re.compile(rf"{_NUMBER}[ ]?(?:[\"″”]|'')")
_MAY_HOLD_QUANTITY = re.compile(r"\d[ \-]?[a-zA-Z毫厘千公英吋]")
_MAY_HOLD_MARK = re.compile(r"\d ?[\"″”']")
# A mark before a word opens a quotation; then a mark after a digit may close it: "iPhone 12" case.
_OPENS_QUOTATION = re.compile(r"(?:^|[\s(])[\"“]\w")
_SHAPES = {rule.name: rule.shape for rule in UNIT_RULES}


def normalise_units(text: str) -> str:
    """`text` with every quantity of UNIT_RULES in its one spelling."""
    if _MAY_HOLD_MARK.search(text) and not _OPENS_QUOTATION.search(text):
        text = _INCH_MARK.sub(lambda match: f"{_plain_number(match[1])} inch", text)
    if _MAY_HOLD_QUANTITY.search(text):
        text = _QUANTITY.sub(_respell, text)
    return text


def find_quantities(text: str) -> list[str]:
    """The quantities in `text`, each once, in their one spelling and with a space: ["128GB", "128 GB"].

    A text that people read keeps its own spelling, which a query may well repeat; these find it by the others.
    """
    respelt = normalise_units(text)
    found = (match for match in _QUANTITY.finditer(respelt))
    spellings = (form for match in found for form in (match[0], _spaced(match)))
    return list(dict.fromkeys(spellings))


def _spaced(match: re.Match[str]) -> str:
    return f"{match[1]} {match[0][len(match[1]) :].strip()}"


def _respell(match: re.Match[str]) -> str:
    return _SHAPES[match.lastgroup or "inch"].format(_plain_number(match[1]))


def _plain_number(number: str) -> str:
    if re.fullmatch(r"\d+(?:,\d{3})+", number):
        return number.replace(",", "")
    return number.replace(",", ".")
