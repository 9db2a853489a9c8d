"""How JSON text carries the scalars that JSON lacks, so that an answer in another format can be written back exactly.

The one convention of this package; every literal below is valid JSON and decodes to the same value, or near it:

    what the other format says                 spelt in JSON text
    -----------------------------------------  ------------------------------------------------------------------
    integer (in a Java long or not)            its digits
    BigInteger that would fit a Java long      digits and `e00`:            5e00
    double                                     as Python's repr:            1.5  -0.0  1e-07  1e+16
    float (or a CBOR half float)               fewest digits, capital E:    1.5E0  1E-45
    float as old SMILE writers sign it         a zero before the exponent:  -1.5E00  (sign bits in its first byte)
    infinity, NaN; in YAML `Infinity`, `NaN`   1e999  -1e999  0e999  -0e999  (NaN has a sign bit, too)
    as floats; in YAML `.inf`, `.nan`          1E999  -1E999  0E999  -0E999
    BigDecimal: digits, power of ten           sign and three zeros:        110e-0002  is 1.10
    bytes                                      a string of half a surrogate pair and base64:  "\\udfffAAE="
    text in the other of two forms             its first character escaped:  "\\u0071uark"
                                               (CBOR: long and in one piece; SMILE: ASCII under the token for Unicode,
                                               or long ASCII under the token that its length does not make us expect)
    line and paragraph separators in YAML      raw where they are raw, "\\u2028" where they are escaped

YAML's numbers are text already, and stay as they are.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from dataclasses import dataclass
from decimal import Decimal

from middleware.search.json_text import Unreadable

BYTES_MARK = "\\udfff"
_CONTROLS = re.compile(r"(?:\\[bfnrt]|\\u00[01][0-9a-f])*")
_MARKED = re.compile(_CONTROLS.pattern + r"\\u(?!00[01])")
_MAX_DIGITS = 1_000
_MAX_EXPONENT = 10_000
_LARGEST_SINGLE = (2 - 2**-23) * 2.0**127
_LONG = range(-(2**63), 2**63)
_SPECIAL = {"1": math.inf, "-1": -math.inf, "0": math.nan, "-0": -math.nan}


@dataclass(frozen=True, slots=True)
class Single:
    """A 32-bit float; `signs_first_byte` as SMILE writers before Jackson 2.19 leave sign bits in its first byte."""

    value: float
    signs_first_byte: bool = False


@dataclass(frozen=True, slots=True)
class Big:
    """A BigInteger, whatever its size."""

    value: int


@dataclass(frozen=True, slots=True)
class BigDecimal:
    """`digits` times ten to the `exponent`."""

    digits: int
    exponent: int


Number = int | float | Single | Big | BigDecimal


def spell_integer(value: int) -> str:
    """An integer of any size. Raises Unreadable beyond 1,000 digits, as Jackson does."""
    if value.bit_length() > _MAX_DIGITS * 3.33:
        raise Unreadable("too many digits")
    return str(value)


def spell_big(value: int) -> str:
    """A BigInteger."""
    return spell_integer(value) + ("e00" if value in _LONG else "")


def spell_double(value: float) -> str:
    """A 64-bit float."""
    if math.isfinite(value):
        return repr(value)
    return _spell_special(value) + "e999"


def spell_single(value: float, *, signs_first_byte: bool = False) -> str:
    """A 32-bit float, given as the double of the same value; fewest digits that read back as it."""
    if not math.isfinite(value):
        return _spell_special(value) + ("E0999" if signs_first_byte else "E999")
    mantissa, _, exponent = shortest_single(value).partition("e")
    zero = "0" if signs_first_byte else ""
    sign, digits = ("-", exponent[1:]) if exponent.startswith("-") else ("", exponent.lstrip("+"))
    return f"{mantissa}E{sign}{zero}{int(digits or 0)}"


def _special(mantissa: str) -> float:
    if mantissa not in _SPECIAL:
        raise ValueError(f"{mantissa}e999 is beyond a double")
    return _SPECIAL[mantissa]


def nearest_single(value: float) -> float:
    """The 32-bit float nearest to a finite value, as a double; the largest one where it is beyond that."""
    bounded = max(-_LARGEST_SINGLE, min(_LARGEST_SINGLE, value))
    return float(struct.unpack(">f", struct.pack(">f", bounded))[0])


def _spell_special(value: float) -> str:
    return ("-" if math.copysign(1, value) < 0 else "") + ("0" if math.isnan(value) else "1")


def shortest_single(value: float) -> str:
    """Fewest digits that read back as the same 32-bit float, nearest to it; as format code `g` writes them."""
    bits = struct.pack(">f", value)
    for digits in range(6, 9) if abs(value) > 1e-37 else range(2, 9):
        text = f"{value:.{digits}g}"
        if struct.pack(">f", float(text)) == bits:
            return text
    return f"{value:.9g}"


def spell_decimal(digits: int, exponent: int) -> str:
    """A BigDecimal. Raises Unreadable where its exponent is out of all bounds."""
    if abs(exponent) > _MAX_EXPONENT:
        raise Unreadable("a decimal out of bounds")
    sign = "-" if exponent < 0 else "+"
    return f"{spell_integer(digits)}e{sign}000{abs(exponent)}"


def spell_bytes(value: bytes) -> str:
    """Bytes, as the inside of a JSON string."""
    return BYTES_MARK + base64.b64encode(value).decode()


def mark_text(inside: str) -> str:
    """Mark the inside of a JSON string as text in the other form; Unreadable where all of it is escaped anyway."""
    match = _CONTROLS.match(inside)
    at = match.end() if match else 0
    if at == len(inside):
        raise Unreadable("nothing but control characters where a mark must go")
    first, end = (inside[at + 1], at + 2) if inside[at] == "\\" else (inside[at], at + 1)
    escaped = json.dumps(first)[1:-1] if first > "~" else f"\\u{ord(first):04x}"
    return inside[:at] + escaped + inside[end:]


def read_string(inside: str) -> tuple[str | bytes, bool]:
    """What the inside of a JSON string says, and whether it is marked as text in the other form."""
    if "\\" not in inside:
        return inside, False
    if inside.startswith(BYTES_MARK):
        return base64.b64decode(inside[len(BYTES_MARK) :], validate=True), False
    return json.loads(f'"{inside}"'), bool(_MARKED.match(inside))


def read_number(literal: str) -> Number:
    """The number that a literal of the convention stands for. Raises ValueError where it is none."""
    if "E" in literal:
        mantissa, _, exponent = literal.partition("E")
        digits = exponent.lstrip("-+")
        signs_first_byte = len(digits) > 1 and digits.startswith("0")
        return Single(_special(mantissa) if digits in ("999", "0999") else float(literal), signs_first_byte)
    mantissa, marked, exponent = literal.partition("e")
    if marked and exponent == "00":
        return Big(int(mantissa))
    if exponent[1:4] == "000":
        return BigDecimal(int(mantissa), int(exponent))
    if marked or "." in literal:
        return _special(mantissa) if exponent == "999" else float(literal)
    value = int(literal)
    return value if value in _LONG else Big(value)


def java_float(value: float) -> str:
    """A 32-bit float as Java's Float.toString has it (JDK 19 and later): `0.2876821`, `1.0E7`."""
    return _java(shortest_single(value))


def java_double(value: float) -> str:
    """A 64-bit float as Java's Double.toString has it (JDK 19 and later)."""
    return _java(repr(value))


def _java(shortest: str) -> str:
    """A finite number, given in its fewest digits: plain from 0.001 to ten millions, elsewhere with an exponent."""
    number = Decimal(shortest)
    sign, digits, exponent = number.as_tuple()
    minus = "-" if sign else ""
    if not number or Decimal("1e-3") <= abs(number) < Decimal("1e7"):
        plain = f"{abs(number):f}"
        whole, _, fraction = plain.partition(".")
        return f"{minus}{whole}.{fraction.rstrip('0') or '0'}"
    text = "".join(map(str, digits)).rstrip("0")
    return f"{minus}{text[0]}.{text[1:] or '0'}E{int(exponent) + len(digits) - 1}"
