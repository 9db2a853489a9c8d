"""Several fusion models as one: where each errs in its own way, their mean errs less."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from middleware.fusion import FloatArray
from middleware.fusion_models.trained import Trained


class Average(Trained):
    """The mean of its members' logits, each calibrated when it was trained (their logarithmic opinion pool).

    Calibrated scores, not ranks: so a hit's score does not depend on the others', which the early stop relies on, the
    members' distances between hits count, and contributions still add up.
    """

    kind = "average"
    method = "mean over the members, each by its own method"

    def __init__(self, document: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], Trained]) -> None:
        super().__init__(document, key)
        self._members = [read(member) for member in document["members"]]
        if not self._members:
            raise ValueError("members must hold at least one model")
        for member in self._members:
            unknown = set(member.columns) - set(self.columns)
            falling = [self.columns[place] for place in self.monotone_places]
            if unknown:
                raise ValueError(f"features lacks what a member reads: {sorted(unknown)}")
            if not all(map(member.is_monotone_in, falling)):
                raise ValueError(f"not monotone, as it says it is: its {member.kind} is not")
        self._places = [[self.columns.index(name) for name in member.columns] for member in self._members]

    def logits(self, matrix: FloatArray) -> FloatArray:
        total = np.zeros(len(matrix))
        for member, columns in zip(self._members, self._places, strict=True):
            total += member.logits(matrix[:, columns])
        return total / len(self._members)

    def parts(self, matrix: FloatArray) -> tuple[FloatArray, float]:
        total, whole_base = np.zeros(matrix.shape), 0.0
        for member, columns in zip(self._members, self._places, strict=True):
            parts, base = member.parts(matrix[:, columns])
            total[:, columns] += parts
            whole_base += base
        return total / len(self._members), whole_base / len(self._members)
