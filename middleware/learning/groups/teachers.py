"""Who says what a document is worth where nobody judged it: bi-encoder, first stage and words mixed, or others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from middleware.errors import CommandError, RerankError
from middleware.features.matching import Matching
from middleware.fusion import scale_first_stage
from middleware.learning.groups.group import Group
from middleware.learning.invention.fields import CJK
from middleware.learning.step_bar import Step
from middleware.rerank.backends import FloatArray

Embed = Callable[[Sequence[str]], FloatArray]
"""Unit vectors of texts, shape (n, width)."""

# The mix of Chorus' 1,780 graded hits against grade / 3: a logistic regression gives 0.845 and 8.3; 0.391 and 9.1
# without the cosine, where even 0.4 with slope 8 loses 0.003 of the log-likelihood.
_EVEN = 0.85
_EVEN_UNREAD = 0.4
_SLOPE = 8.0
_TEXT = "text"
_TEXTS_AT_ONCE = 4096
_PATIENCE_MS = 600_000


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


class Scorer(Protocol):
    """Scores pairs as the engine of the second stage does."""

    def score(self, query_text: str, document_texts: Sequence[str], *, budget_ms: float) -> FloatArray: ...


def question_of(group: Group) -> Question:
    """What a teacher is asked about a group that exists, as in a distillation."""
    return Question(group.query_text, group.document_texts, scale_first_stage(np.array(group.first_stage)))


class MixedTeacher:
    """Cosine + `share` of the first stage + `match` of the query's words: the best order of Chorus that nobody taught.

    The words are those that Matching finds in the document text: an attribute or a description that the template
    leaves out is not seen, even where the first stage found it. nDCG@10 on Chorus, unjudged hits as 0 and judged ones
    only: 0.759 and 0.845 with title, brand and short description (0.740 and 0.819 for cosine + 0.3 first stage).

    A target is the logistic function of the mix, so that it keeps the order and a model's logit is linear in the mix;
    0.5 stands where a hit is as likely relevant as not. Every text is embedded once.
    """

    def __init__(
        self,
        embed: Embed | None = None,
        *,
        reads: Callable[[str], bool] | None = None,
        share: float = 0.2,
        match: float = 0.4,
        even: float = _EVEN,
        even_unread: float = _EVEN_UNREAD,
        slope: float = _SLOPE,
    ) -> None:
        """`embed`: default the starter bi-encoder, which cannot read Chinese or Japanese.

        `reads`: whether the bi-encoder has a say on a query; of one that it cannot read, first stage and words alone
        decide: of Chinese and Japanese the character bigrams. `even`: the mix that means 0.5; `even_unread`: the mix
        without a cosine that does; `slope`: of the logit there.
        """
        self._embed = embed or _starter
        self._reads = reads or (_is_plain if embed is None else bool)
        self._share, self._match, self._slope = share, match, slope
        self._even, self._even_unread = even, even_unread
        self._matching = Matching((_TEXT,))
        self._vectors: dict[str, FloatArray] = {}

    def targets(self, questions: Sequence[Question], step: Step) -> list[FloatArray]:
        self._read(questions, step)
        return [self._targets(question) for question in questions]

    def _targets(self, question: Question) -> FloatArray:
        if not question.document_texts:
            return np.zeros(0)
        texts = [{_TEXT: [text]} for text in question.document_texts]
        matches = self._matching.features(question.query_text, texts)["match"]
        mix = self._share * np.asarray(question.first_stage, dtype=np.float64) + self._match * matches
        if self._reads(question.query_text):
            vectors = np.stack([self._vectors[text] for text in question.document_texts])
            over = mix + vectors @ self._vectors[question.query_text] - self._even
        else:
            over = mix - self._even_unread
        targets: FloatArray = 1 / (1 + np.exp(-self._slope * over))
        return targets

    def _read(self, questions: Sequence[Question], step: Step) -> None:
        read = [question for question in questions if self._reads(question.query_text)]
        texts = {text for question in read for text in (question.query_text, *question.document_texts)}
        # By length: a batch of equal ones is padded little.
        new = sorted(texts - set(self._vectors), key=lambda text: (len(text), text))
        for start in range(0, len(new), _TEXTS_AT_ONCE):
            step("embedding", start, len(new))
            some = new[start : start + _TEXTS_AT_ONCE]
            self._vectors.update(zip(some, np.asarray(self._embed(some), dtype=np.float32), strict=True))


def _starter(texts: Sequence[str]) -> FloatArray:
    from middleware.learning.starter import embed

    return embed(texts)


def _is_plain(query_text: str) -> bool:
    return not CJK.search(query_text)


class CrossEncoderTeacher:
    """A cross-encoder behind an engine: its scores are the targets. The engine is started and stopped by who has it."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def targets(self, questions: Sequence[Question], step: Step) -> list[FloatArray]:
        found = []
        for done, question in enumerate(questions):
            step("asking the teacher", done, len(questions))
            try:
                scores = self._scorer.score(question.query_text, question.document_texts, budget_ms=_PATIENCE_MS)
            except RerankError as error:
                raise CommandError(error.reason) from error
            if len(scores) != len(question.document_texts):
                raise CommandError(f"the teacher read {len(scores)} of {len(question.document_texts)} documents")
            found.append(np.clip(np.asarray(scores, dtype=np.float64), 0.0, 1.0))
        return found


class MeanTeacher:
    """Several teachers, averaged by weight: their errors differ more than what they are right about."""

    def __init__(self, teachers: Sequence[Teacher], weights: Sequence[float] | None = None) -> None:
        """`weights`: default all alike; only their ratios count."""
        self._teachers = teachers
        self._weights = list(weights) if weights is not None else [1.0] * len(teachers)
        if len(self._weights) != len(teachers) or not teachers or min(self._weights) < 0 or not sum(self._weights):
            raise ValueError("every teacher needs a weight of 0 or more, not all of them 0")

    def targets(self, questions: Sequence[Question], step: Step) -> list[FloatArray]:
        each = [teacher.targets(questions, step) for teacher in self._teachers]
        return [np.average(targets, axis=0, weights=self._weights) for targets in zip(*each, strict=True)]
