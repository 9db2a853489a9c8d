"""Measures of a ranking query by query: those of ir-measures, F1 and accuracy made of them, and what was not judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.errors import CommandError, ConfigError

Qrels = Mapping[str, Mapping[str, int]]
"""query_id -> document id -> grade; a document that is not there was not judged and counts as grade 0."""
Run = Mapping[str, Sequence[str]]
"""query_id -> document ids, best first."""
Values = dict[str, dict[str, float]]
"""query_id -> name of the measure -> value."""

KNOWN = "nDCG@10, RR@10, AP, P@10, R@100, F1@10, Accuracy@1, Accuracy(rel=2)@1 or another of ir-measures"
UNJUDGED_DEPTH = 10

_OURS = re.compile(r"(F1|Accuracy)(\(rel=\d+\))?@(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Measure:
    """A value made of some that ir-measures finds: one as it is, or two in their harmonic mean."""

    name: str
    parts: tuple[Any, ...]
    combine: Callable[[Sequence[float]], float]


def parse_measures(names: Iterable[str]) -> tuple[Measure, ...]:
    """Measures by name, as ir-measures spells them, and ours.

    `F1@k` is the harmonic mean of P@k and R@k; `Accuracy@1` is 1 where the first hit is relevant and
    `Accuracy(rel=g)@1` where it has at least grade g: the share of such queries is their mean. Raises ConfigError.
    """
    return tuple(dict.fromkeys(_parse(name.strip()) for name in names))


def calculate(run: Run, qrels: Qrels, measures: Sequence[Measure]) -> Values:
    """Each measure of each query that has a relevant document, as trec_eval defines them; missing in `run`: 0.

    Unjudged documents count as not relevant. Raises CommandError where ir-measures cannot compute one here.
    """
    ir_measures = _import()
    judged = {query: dict(grades) for query, grades in qrels.items() if max(grades.values(), default=0) > 0}
    scored = {
        query: {document: float(-rank) for rank, document in enumerate(documents)}
        for query, documents in run.items()
        if query in judged and documents
    }
    parts = list(dict.fromkeys(part for measure in measures for part in measure.parts))
    found = {query: dict.fromkeys(parts, 0.0) for query in judged}
    try:
        for each in ir_measures.iter_calc(parts, judged, scored) if scored else ():
            found[each.query_id][each.measure] = float(each.value)
    except (ValueError, RuntimeError, OSError) as error:
        names = ", ".join(measure.name for measure in measures)
        raise CommandError(f"ir-measures cannot compute all of {names} here: {error}") from error
    return {
        query: {measure.name: measure.combine([values[part] for part in measure.parts]) for measure in measures}
        for query, values in found.items()
    }


def condense(run: Run, qrels: Qrels) -> dict[str, list[str]]:
    """The run without its unjudged documents, so that what nobody looked at neither helps nor hurts.

    Sakai, Alternatives to Bpref, SIGIR 2007.
    """
    return {query: [each for each in hits if each in qrels.get(query, {})] for query, hits in run.items()}


def unjudged_shares(run: Run, qrels: Qrels, depth: int = UNJUDGED_DEPTH) -> dict[str, float]:
    """Share of each query's first `depth` hits that were not judged, in [0, 1]; without hits there is none."""
    return {
        query: sum(each not in qrels[query] for each in hits[:depth]) / len(hits[:depth])
        for query, hits in run.items()
        if query in qrels and hits
    }


def _parse(name: str) -> Measure:
    ir_measures = _import()
    ours = _OURS.fullmatch(name)
    try:
        if ours is None:
            return Measure(name, (ir_measures.parse_measure(name),), _only)
        kind, relevance, depth = ours[1].lower(), ours[2] or "", ours[3]
        if kind == "accuracy":
            return Measure(name, (ir_measures.parse_measure(f"Success{relevance}@{depth}"),), _only)
        parts = (ir_measures.parse_measure(f"{each}{relevance}@{depth}") for each in ("P", "R"))
        return Measure(name, tuple(parts), _harmonic_mean)
    except (NameError, ValueError, SyntaxError, AssertionError, TypeError) as error:
        raise ConfigError("--measures", name, f"no such measure; name {KNOWN}") from error


def _only(values: Sequence[float]) -> float:
    return values[0]


def _harmonic_mean(values: Sequence[float]) -> float:
    """Of two; 0 where both are."""
    first, second = values
    return 2 * first * second / (first + second) if first + second else 0.0


def _import() -> Any:
    try:
        import ir_measures
    except ImportError as error:
        raise CommandError("ir-measures is not installed; pip install 'es-rerank[train]'") from error
    return ir_measures
