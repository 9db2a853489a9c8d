"""What in a log of behaviour is no person's act: one set of rules for whoever reads such logs.

A bot names itself, searches without tiring, or acts on more documents of one search than a person looks at. An act is
impossible before there were shops of this kind, in the future, or far away in time from the search that it names.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

MOST_ACTS = 30
MOST_SEARCHES = 1000
EARLY_S = 60.0
LATE_S = 86_400.0
FIRST_S = 946_684_800.0
"""The year 2000: what is stamped before is no time of an event."""
_BOT = re.compile(r"bot\b|crawl|spider|slurp|headless|curl/|python-requests", re.IGNORECASE)


def names_a_bot(document: Mapping[str, Any]) -> bool:
    """Whether the browser or user agent in an event's attributes is a program's."""
    attributes = document.get("event_attributes")
    agent = attributes.get("browser") or attributes.get("user_agent") if isinstance(attributes, Mapping) else None
    return isinstance(agent, str) and _BOT.search(agent) is not None


def is_tireless(searches: int, acts: int, *, most_searches: int = MOST_SEARCHES, most_acts: int = MOST_ACTS) -> bool:
    """Whether a client with so many `searches` in the log, and `acts` in one of them, is a program."""
    return searches > most_searches or acts > most_acts


def is_impossible(
    timestamp_s: float,
    search_s: float | None,
    *,
    early_s: float = EARLY_S,
    late_s: float = LATE_S,
    until_s: float | None = None,
) -> bool:
    """Whether an act cannot have been then; times in seconds since 1970, `search_s` that of its search if known.

    It may be stamped `early_s` before its search (clocks differ), and `late_s` after it; `until_s`: nothing happens
    later (None: now).
    """
    until = time.time() if until_s is None else until_s
    if not FIRST_S <= timestamp_s <= until + early_s:
        return True
    return search_s is not None and not -early_s <= timestamp_s - search_s <= late_s
