"""Groups in the making: labelled documents, completed with mined ones, completed with a teacher's opinions."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from middleware.learning.groups.group import Group, Origin
from middleware.learning.groups.mining import Candidate, Mix, are_negatives, mine
from middleware.learning.groups.shop_documents import Document
from middleware.learning.groups.teachers import Question, Teacher
from middleware.learning.step_bar import Step
from middleware.rerank.backends import FloatArray

Others = Literal["teacher", "zero"]
# A guard leaves some out; so many times the hard ones are looked at.
_SPARE = 3
_EQUAL = 1e-6


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of one document. `share`: how far its target is moved from the teacher's to `target`."""

    target: float
    share: float = 1.0
    given: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """A query, and what is known of some documents, id -> label."""

    query_text: str
    origin: Origin
    labels: Mapping[str, Label]
    weight: float = 1.0
    family: str = ""


@dataclass(frozen=True, slots=True)
class Completion:
    """How groups are completed: what is mined, what that is worth, how much of the labelled is kept.

    `least_answer`: what the teacher must say at least of the product that a query was invented from.
    """

    mix: Mix
    labelled: int
    others: Others
    guard: float | None
    least_answer: float = 0.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A query with its documents, the labelled ones first."""

    wanted: Wanted
    documents: Sequence[Candidate]

    @property
    def labels(self) -> list[Label | None]:
        return [self.wanted.labels.get(document.document_id) for document in self.documents]

    @property
    def has_hits(self) -> bool:
        """Whether the first stage found anything."""
        return any(document.first_stage for document in self.documents)

    @property
    def question(self) -> Question:
        texts = [document.text for document in self.documents]
        scaled = np.array([document.scaled for document in self.documents], dtype=np.float64)
        return Question(self.wanted.query_text, texts, scaled)


def make_draft(
    wanted: Wanted,
    window: Sequence[Candidate],
    known: Mapping[str, Document],
    pool: Sequence[Document],
    completion: Completion,
    rng: random.Random,
) -> Draft:
    """The labelled documents, from the window or `known`, the best targets first, then the mined ones.

    Where there are more than `completion.labelled`, those with the highest and the lowest targets stay by turns, so
    that a long list of judged answers keeps its judged misses.
    """
    inside = {candidate.document_id: candidate for candidate in window}
    texts = {each: known[each].text for each in wanted.labels if each in known and known[each].text}
    texts |= {each: inside[each].text for each in wanted.labels if each in inside}
    labelled = [
        replace(inside[each], kind="labelled") if each in inside else Candidate(each, texts[each])
        for each in _both_ends(wanted.labels, completion.labelled)
        if each in texts
    ]
    mix, is_guarded = completion.mix, completion.others == "zero" and completion.guard is not None
    mined = mine(window, texts, pool, replace(mix, hard=mix.hard * (_SPARE if is_guarded else 1)), rng)
    return Draft(wanted, [*labelled, *mined])


def _both_ends(labels: Mapping[str, Label], most: int) -> list[str]:
    order = sorted(labels, key=lambda document_id: -labels[document_id].target)
    if len(order) <= most:
        return order
    return [*order[: most - most // 2], *order[len(order) - most // 2 :]]


def finish(
    drafts: Sequence[Draft], completion: Completion, teacher: Teacher, step: Step, dropped: Counter[str]
) -> Iterator[Group]:
    """The groups of `drafts`; what teaches nothing is counted in `dropped`.

    That is: groups whose targets are all alike, invented queries that their own product does not answer (as in the
    round-trip filter of Dai et al., Promptagator, ICLR 2023, with a teacher in place of a retriever), documents that
    the guard excludes. The teacher is asked only where it has a say. Raises CommandError where it fails.
    """
    opinions: list[FloatArray] = [np.zeros(len(draft.documents)) for draft in drafts]
    asked = [place for place, draft in enumerate(drafts) if _is_asked(draft, completion)]
    answers = teacher.targets([drafts[place].question for place in asked], step) if asked else []
    for place, answer in zip(asked, answers, strict=True):
        opinions[place] = answer
    for draft, opinion in zip(drafts, opinions, strict=True):
        if not _is_sensible(draft, opinion, completion.least_answer):
            dropped["invented queries that their product does not answer"] += 1
            continue
        kept = _kept(draft, opinion, completion, dropped)
        group = _group(draft, opinion, kept, completion.others)
        if len(group.targets) < 2 or max(group.targets) - min(group.targets) < _EQUAL:
            dropped[f"{draft.wanted.origin} queries with labels of one class"] += 1
            continue
        yield group


def _is_asked(draft: Draft, completion: Completion) -> bool:
    labels = draft.labels
    blends = any(label is not None and label.share < 1 for label in labels)
    return blends or (None in labels and (completion.others == "teacher" or completion.guard is not None))


def _is_sensible(draft: Draft, opinion: FloatArray, least: float) -> bool:
    said = [opinion[place] for place, label in enumerate(draft.labels) if label is not None and label.share < 1]
    return not said or max(said) >= least


def _kept(draft: Draft, opinion: FloatArray, completion: Completion, dropped: Counter[str]) -> list[int]:
    """Places of the documents that stay: all, but for those that the guard or the number of hard ones excludes."""
    places = range(len(draft.documents))
    if completion.others == "teacher" or completion.guard is None:
        return list(places)
    labels = draft.labels
    best = max((label.target for label in labels if label is not None), default=0.0)
    positive = [place for place in places if (label := labels[place]) is not None and label.target >= best > 0]
    negative = are_negatives(opinion, opinion[positive], completion.guard)
    kept, hard = [], 0
    for place in places:
        is_hard = draft.documents[place].kind == "hard"
        if is_hard and hard == completion.mix.hard:
            continue
        if labels[place] is None and not negative[place]:
            dropped["documents that may be answers nobody labelled"] += 1
        else:
            kept.append(place)
            hard += is_hard
    return kept


def _group(draft: Draft, opinion: FloatArray, kept: Sequence[int], others: Others) -> Group:
    wanted, labels = draft.wanted, draft.labels
    documents = [draft.documents[place] for place in kept]
    targets = []
    for place in kept:
        label, say = labels[place], float(opinion[place])
        if label is None:
            targets.append(say if others == "teacher" else 0.0)
        else:
            targets.append(label.share * label.target + (1 - label.share) * say)
    return Group(
        wanted.query_text,
        tuple(document.document_id for document in documents),
        tuple(document.text for document in documents),
        tuple(targets),
        tuple(document.first_stage for document in documents),
        wanted.origin,
        wanted.weight,
        tuple((label := labels[place]) is not None and label.given for place in kept),
        wanted.family,
    )
