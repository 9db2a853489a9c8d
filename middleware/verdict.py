"""What became of each search of a request, and how the response headers say it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from middleware.config import HeaderSettings
from middleware.errors import RerankError
from middleware.ranking import Scored
from middleware.search.first_stage import Planned
from middleware.search.plan import Skip
from middleware.search.reasons import Reason
from middleware.second_stage import Outcome

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One search: `word` is applied, skipped or fallback; `reason` says why it is not applied."""

    word: str
    reason: Reason | None
    variant: str | None
    model: str | None = None
    window: int = 0
    depth: int = 0


def judge(plan: Planned, outcome: Outcome | None) -> Verdict:
    """The verdict on a search; a planned one without an outcome is one whose first stage failed."""
    if isinstance(plan, Skip):
        return Verdict("skipped", plan.reason, None)
    variant = plan.variant.name
    if isinstance(outcome, Scored):
        return Verdict("applied", None, variant, outcome.model, len(outcome.order), outcome.read)
    if isinstance(outcome, Reason):
        return Verdict("skipped", outcome, variant)
    if isinstance(outcome, RerankError):
        reason = Reason.of(outcome.fallback_reason)
        _log.warning("fallback, %s: %s", reason, outcome)
        return Verdict("fallback", reason, variant)
    return Verdict("fallback", Reason.FIRST_STAGE_FAILED, variant)


def verdict_headers(names: HeaderSettings, verdicts: Sequence[Verdict]) -> Mapping[str, str]:
    """One word for the whole request: applied where any search was, else fallback where any failed.

    Of many searches, reasons, variants and models stand once each, windows and depths for each, 0 where not reranked.
    """
    words = [verdict.word for verdict in verdicts]
    headers = {names.switch: next((word for word in ("applied", "fallback") if word in words), "skipped")}
    lists: dict[str, list[str | None]] = {
        names.reason: [verdict.reason for verdict in verdicts],
        names.variant: [verdict.variant for verdict in verdicts],
        names.model: [verdict.model for verdict in verdicts],
    }
    headers |= {name: join(values) for name, values in lists.items() if any(values)}
    if "applied" in words:
        headers[names.window] = ", ".join(str(verdict.window) for verdict in verdicts)
        headers[names.depth] = ", ".join(str(verdict.depth) for verdict in verdicts)
    return headers


def join(values: Sequence[str | None]) -> str:
    """Each value once, in order."""
    return ", ".join(dict.fromkeys(value for value in values if value))
