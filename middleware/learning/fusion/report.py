"""What `es-rerank train fusion` found out, as text for a terminal and as data for the model's file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.learning.evaluation.rankings import Comparison
from middleware.learning.evaluation.significance import mean_interval
from middleware.learning.fusion.evaluation import MEASURE, Quality

_LEAST_SHOWN = 0.001


@dataclass(frozen=True, slots=True)
class Report:
    """Qualities by cross-validation, Elasticsearch's order first; importances of the model's features, and what the
    chosen kind of model reaches without each source of them.
    """

    qualities: Sequence[Quality]
    importances: Mapping[str, float]
    ablations: Sequence[Quality]
    chosen: str

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{'':24} {MEASURE}, unjudged as 0         {MEASURE}, judged hits only"
        for quality in self.qualities:
            yield f"{quality.name:24} {_line(quality, self.qualities[0])}"
        if self.ablations:
            yield f"\n{self.chosen} without"
            whole = next(quality for quality in self.qualities if quality.name == self.chosen)
            for quality in self.ablations:
                yield f"  {quality.name:22} {_line(quality, whole)}"
        yield "\nwhat sets the hits of a search apart"
        for name, share in self.importances.items():
            if share >= _LEAST_SHOWN:
                yield f"  {name:32} {share:6.1%}"

    def summary(self) -> dict[str, Any]:
        """For the model's file: means by cross-validation."""
        return {
            quality.name: {
                "unjudged_as_0": round(quality.unjudged_as_0.mean[MEASURE], 4),
                "judged_only": round(quality.judged_only.mean[MEASURE], 4),
            }
            for quality in self.qualities
        }


def _line(quality: Quality, baseline: Quality) -> str:
    if quality is baseline:
        return "   ".join(
            f"{each.mean[MEASURE]:.3f} ({low:.3f} to {high:.3f})         "
            for each in (quality.unjudged_as_0, quality.judged_only)
            for low, high in [mean_interval(each.values(MEASURE))]
        ).rstrip()
    return "   ".join(map(_gain, quality.against(baseline)))


def _gain(comparison: Comparison) -> str:
    low, high = comparison.interval
    return f"{comparison.after.mean[MEASURE]:.3f}, {comparison.difference:+.3f} ({low:+.3f} to {high:+.3f})"
