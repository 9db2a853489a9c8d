"""Members of a JSON object read as Elasticsearch reads them, so that a wrong one is refused in its words."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from middleware.errors import RequestError

_INT_LIMIT = 2**31


class ObjectFields:
    """The members of `body`, an object that error messages call `name`; every reader raises RequestError."""

    __slots__ = ("_body", "_name")

    def __init__(self, name: str, body: Mapping[str, Any]) -> None:
        self._name = name
        self._body = body

    def require(self, names: Collection[str]) -> None:
        """All of `names` are there."""
        missing = [name for name in names if name not in self._body]
        if missing:
            raise RequestError(f"Required [{', '.join(missing)}]")

    def allow_only(self, names: Collection[str]) -> None:
        """Nothing but `names` is there."""
        unknown = [name for name in self._body if name not in names]
        if unknown:
            raise RequestError(f"[{self._name}] unknown field [{unknown[0]}]")

    def text(self, name: str) -> str | None:
        """A string, or None where it is not given."""
        value = self._body.get(name)
        if name in self._body and not isinstance(value, str):
            raise self._wrong_type(name)
        return value

    def number(self, name: str) -> float | None:
        """A finite number, also one written as a string, or None where it is not given."""
        if name not in self._body:
            return None
        value = self._body[name]
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self._wrong_type(name)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise self._unparsable(name) from None
        if not math.isfinite(number):
            raise self._unparsable(name)
        return number

    def integer(self, name: str) -> int | None:
        """A whole number of 32 bits, also one written as a string, or None where it is not given."""
        number = self.number(name)
        if number is None:
            return None
        if number != int(number) or not -_INT_LIMIT <= number < _INT_LIMIT:
            raise self._unparsable(name)
        return int(number)

    def flag(self, name: str) -> bool:
        """A truth value, also one written as a string; False where it is not given."""
        value = self._body.get(name, False)
        if value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise self._wrong_type(name)
        return value

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        """An object, or None where it is not given."""
        value = self._body.get(name)
        if name in self._body and not isinstance(value, Mapping):
            raise self._wrong_type(name)
        return value

    def _wrong_type(self, name: str) -> RequestError:
        return RequestError(f"[{self._name}] {name} doesn't support values of type: {_token(self._body[name])}")

    def _unparsable(self, name: str) -> RequestError:
        return RequestError(f"[{self._name}] failed to parse field [{name}]")


def _token(value: Any) -> str:
    """What Elasticsearch's parser calls the JSON value."""
    if value is None:
        return "VALUE_NULL"
    if isinstance(value, bool):
        return "VALUE_BOOLEAN"
    if isinstance(value, str):
        return "VALUE_STRING"
    if isinstance(value, Mapping):
        return "START_OBJECT"
    return "START_ARRAY" if isinstance(value, list) else "VALUE_NUMBER"
