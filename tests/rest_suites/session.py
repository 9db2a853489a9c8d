"""Many cases, each directly and through the proxy, on a node of their own, and what came of them in figures."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from rest_suites.cases import Case
from rest_suites.clean import clean
from rest_suites.compare import compare
from rest_suites.run import Outcome, Target, run_case


@dataclass(slots=True)
class Report:
    """`words`: cases by their direct outcome; `reasons`: searches by the proxy's reason; `failures` are direct ones."""

    words: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def share_passed(self) -> float:
        """Passed among those that ran at all."""
        ran = self.words["passed"] + self.words["failed"]
        return self.words["passed"] / ran if ran else 0.0

    def __str__(self) -> str:
        lines = [f"{sum(self.words.values())} cases: {dict(self.words)}, {len(self.differences)} differ"]
        lines.append(f"searches by reason: {dict(self.reasons)}")
        return "\n".join([*lines, *self.failures, *self.differences])


def choose(cases: Iterable[Case], percent: Mapping[str, int]) -> Iterator[Case]:
    """A fixed sample: of each module the percentage that its first fitting pattern names, by a hash of the name."""
    for case in cases:
        wanted = next((share for pattern, share in percent.items() if fnmatchcase(case.module, pattern)), 0)
        if _hash(case.name) % 100 < wanted:
            yield case


def run_both_ways(cases: Iterable[Case], direct: Target, proxied: Target, query_text: str) -> Report:
    """Compare every case; every second one asks for reranking by `query_text`, so that searches without text are, too.

    The node behind `direct` is wiped after each run.
    """
    report = Report()
    clean(direct.wire, "")
    for case in cases:
        through = replace(proxied, query_text=query_text if _hash(case.name) % 2 else None)
        found = compare(lambda: _run_clean(case, direct, direct), lambda: _run_clean(case, through, direct))  # noqa: B023
        report.words[found.direct.word] += 1
        report.reasons.update(e.answer.reason for e in found.proxied.exchanges if e.answer and e.answer.reason)
        if found.direct.word == "failed":
            report.failures.append(
                f"fails directly: {case.name}, step {found.direct.step}: {found.direct.message[:200]}"
            )
        if found.difference:
            report.differences.append(f"differs: {case.name} ({through.query_text}): {found.difference[:2000]}")
    return report


def _run_clean(case: Case, target: Target, node: Target) -> Outcome:
    outcome = run_case(case, target)
    if outcome.word != "skipped":
        clean(node.wire, case.module)
    return outcome


def _hash(name: str) -> int:
    return zlib.crc32(name.encode())
