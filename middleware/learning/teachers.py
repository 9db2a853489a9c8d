"""Who says what a document is worth for a query where nobody judged it: first stage and bi-encoder, or cross-encoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from middleware.rerank.backends import FloatArray

Step = Callable[[str, int, int], None]
"""Told what is being done, and how many steps of how many are."""
Embed = Callable[[Sequence[str]], FloatArray]
"""Unit vectors of texts, shape (n, width)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query text with n documents: their texts and first-stage scores, by min-max within the window in [0, 1].

    `first_stage` is 0 for a document that the first stage did not find.
    """

    query_text: str
    document_texts: Sequence[str]
    first_stage: FloatArray


class Teacher(Protocol):
    """Says what a ranking model should say."""

    def targets(self, questions: Sequence[Question], step: Step) -> list[FloatArray]:
        """Of each question the targets of its documents, shape (n,), in [0, 1]. Raises CommandError."""
        ...
