"""Documents that complete a training group: what the first stage found beside the answers, and a few by chance."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from middleware.fusion import scale_first_stage
from middleware.learning.groups.shop_documents import Document
from middleware.learning.shop import Shop
from middleware.rerank.backends import FloatArray
from middleware.search.reasons import Reason
from middleware.search.window import read_window

Kind = Literal["labelled", "hard", "middle", "random"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document for a group, how it came in, and its first-stage score, raw and by min-max in its window.

    Both are 0 for a document that is not in the window.
    """

    document_id: str
    text: str
    kind: Kind = "labelled"
    first_stage: float = 0.0
    scaled: float = 0.0


@dataclass(frozen=True, slots=True)
class Mix:
    """How many documents to mine: of the first hits, of all other hits, and of the whole catalogue."""

    hard: int
    middle: int
    random: int


def read_candidates(shop: Shop, query_text: str) -> list[Candidate]:
    """The window of a query, best first, without hits that have no text; empty where nothing is found.

    Raises CommandError where the search is refused.
    """
    plan, response = shop.search(query_text)
    window = read_window(plan, response, has_profile=False)
    if isinstance(window, Reason):
        return []
    ids = [hit.name[1] for hit in response.hits]
    scores = window.first_stage_scores
    rows = zip(ids, window.document_texts, scores, scale_first_stage(scores), strict=False)
    return [Candidate(each, text, "hard", float(score), float(scaled)) for each, text, score, scaled in rows if text]


def mine(
    window: Sequence[Candidate],
    labelled: Mapping[str, str],
    pool: Sequence[Document],
    mix: Mix,
    rng: random.Random,
) -> list[Candidate]:
    """Up to as many of each kind as `mix` says, first hits first; no text twice, and none of those `labelled`, by id.

    Hard ones are the first hits: what the first stage takes for answers is what the second stage must tell apart.
    """
    texts, free = set(labelled.values()), []
    for candidate in window:
        if candidate.document_id not in labelled and candidate.text not in texts:
            texts.add(candidate.text)
            free.append(candidate)
    hard, rest = free[: mix.hard], free[mix.hard :]
    places = sorted(rng.sample(range(len(rest)), min(mix.middle, len(rest))))
    middle = [_as(rest[place], "middle") for place in places]
    found = {candidate.document_id for candidate in window} | set(labelled)
    strangers: list[Candidate] = []
    for document in rng.sample(pool, min(len(pool), mix.random * 4)):
        if document.document_id not in found and document.text not in texts and len(strangers) < mix.random:
            texts.add(document.text)
            strangers.append(Candidate(document.document_id, document.text, "random"))
    return [*hard, *middle, *strangers]


def _as(candidate: Candidate, kind: Kind) -> Candidate:
    return Candidate(candidate.document_id, candidate.text, kind, candidate.first_stage, candidate.scaled)


def are_negatives(opinions: FloatArray, positive: FloatArray, guard: float) -> NDArray[np.bool_]:
    """Which mined documents may be called wrong: those that the teacher's `opinions`, shape (n,), put clearly below.

    Below `guard` of its mean opinion on the positives, shape (p,); where it has none, below guard itself. Else they
    may be answers that nobody labelled (Qu et al., RocketQA, NAACL 2021; the margin relative to the positive as in
    Moreira et al., NV-Retriever, 2024).
    """
    least = guard * (float(np.mean(positive)) if len(positive) else 1.0)
    return np.asarray(opinions) < least
