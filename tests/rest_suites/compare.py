"""Whether a case came to the same end directly and through the proxy, beyond what differs from run to run anyway."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from rest_suites.run import Exchange, Outcome

_ATTEMPTS = 3
# APIs whose answers, too, must be the same, not only what the tests assert about them
_COMPARED = re.compile(
    r"search|msearch|count|explain|get|get_source|mget|exists|index|create|update|delete|bulk|scroll|field_caps"
    r"|termvectors|mtermvectors|indices\.(analyze|validate_query|get.*|put_mapping)|info|ping"
)
_CHANGING = (
    (re.compile(r"""["']took["'] ?: ?"?(number )?\d+"?"""), "TOOK"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?|\b\d{2}:\d{2}:\d{2}\b"), "TIME"),
    (re.compile(r"\b1\d{9}(\d{3})?\b"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+|localhost:\d+"), "ADDRESS"),
    (re.compile(r"(?<![\w-])(?=[\w-]*[A-Z\d])[\w-]{20}(?:[\w-]{2})?(?![\w-])|[\w+/-]{60,}={0,2}"), "ID"),
    (re.compile(r"@[0-9a-f]{5,8}\b"), "@OBJECT"),
    (re.compile(r"[\d.]+ ?(ms|micros|nanos|[kmg]?b)\b"), "AMOUNT"),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A case's outcome directly, and the first difference to it through the proxy (empty: none)."""

    direct: Outcome
    proxied: Outcome
    difference: str


def compare(run_direct: Callable[[], Outcome], run_proxied: Callable[[], Outcome]) -> Comparison:
    """Run a case both ways; what differs is tried again, so that only differences that stay are reported.

    Answers are compared as far as two direct runs agree on them: some hold random numbers or counters.
    """
    directs = [run_direct()]
    proxied = run_proxied()
    while (difference := _differs(directs, proxied)) and len(directs) < _ATTEMPTS:
        directs.append(run_direct())
        if _differs(directs, proxied):
            proxied = run_proxied()
    return Comparison(directs[0], proxied, difference)


def _differs(directs: list[Outcome], proxied: Outcome) -> str:
    ends = {_end(direct) for direct in directs}
    if _end(proxied) not in ends:
        return f"{_end(directs[-1])} directly, {_end(proxied)} through the proxy"
    same = [direct for direct in directs if _end(direct) == _end(proxied)]
    for place, exchange in enumerate(proxied.exchanges):
        seen = [_exchange(direct.exchanges[place]) for direct in same if place < len(direct.exchanges)]
        found = _exchange(exchange)
        is_stable = len(set(seen)) == 1
        if is_stable and found not in seen:
            return f"step {place}: {seen[0]} directly, {found} through the proxy"
    return ""


def _end(outcome: Outcome) -> str:
    return f"{outcome.word} at {outcome.step}: {level(outcome.message)}"


def _exchange(exchange: Exchange) -> str:
    answer = exchange.answer
    if answer is None:
        return exchange.api
    text = level(_compact(answer.text)) if _COMPARED.fullmatch(exchange.api) else ""
    return f"{exchange.api}: {answer.status} {answer.content_type} {level(str(sorted(answer.warnings)))} {text}"


def _compact(text: str) -> str:
    """JSON on one line without white space, every number and the order of keys as they were; other text unchanged.

    Under `filter_path` Elasticsearch writes a `_source` anew, and we leave the spaces that it was indexed with.
    """
    if "\n" in text.strip():
        return text
    try:
        value = json.loads(text, parse_float="number {}".format, parse_int="number {}".format)
    except ValueError:
        return text
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def level(text: str) -> str:
    """`text` with times, identifiers, addresses and amounts replaced by words."""
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return text
