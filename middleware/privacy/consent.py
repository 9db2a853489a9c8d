"""Whether the person behind a request may be known: one reading of the consent header for searches and events."""

from __future__ import annotations

from middleware.config import HeaderSettings
from middleware.message import Headers

GIVEN = "all"


def may_be_known(headers: Headers, names: HeaderSettings) -> bool:
    """Whether profile, events and exposures of this request's user may be used and kept.

    Without the header the shop has settled it elsewhere, and they may. `all` says yes; `none` says no, and so does
    whatever else stands there, a blank included: what we do not understand is no consent. Of several headers each has
    to say yes.
    """
    said = (value.strip().lower() for name, value in headers if name.lower() == names.consent.lower())
    return all(value == GIVEN for value in said)
