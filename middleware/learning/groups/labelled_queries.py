"""Queries that people labelled, by judging or by behaving, checked against the index: nothing is lost unsaid."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from middleware.learning.groups.behaviour_bias import estimate_examination
from middleware.learning.groups.behaviour_labels import label_queries
from middleware.learning.groups.behaviour_log import BehaviourOptions, read_log
from middleware.learning.groups.behaviour_sources import read_records
from middleware.learning.groups.drafts import Label, Wanted
from middleware.learning.groups.shop_documents import Document, find_documents
from middleware.learning.shop import Shop

Judgments = Mapping[str, Mapping[str, float]]
"""query text -> document id -> grade, 0 or more; what is not there was not judged."""


@dataclass(frozen=True, slots=True)
class Found:
    """Queries with their labels by document id, and those documents."""

    wanted: Sequence[Wanted]
    documents: Mapping[str, Document]
    notes: Sequence[str] = field(default_factory=tuple)


def wanted_of_judgments(shop: Shop, judgments: Judgments, max_grade: float | None, dropped: Counter[str]) -> Found:
    """Each grade as a target, grade / `max_grade` (None: the highest there is).

    Left out and counted: grades that are no finite number of 0 or more or above `max_grade`, ids that the index lacks
    or whose document has no text, queries without a text, without a document, or with nothing graded above 0.
    """
    sound = {query: _sound(grades, max_grade, dropped) for query, grades in judgments.items()}
    highest = max_grade or max((grade for grades in sound.values() for grade in grades.values()), default=0.0)
    documents = find_documents(shop, sorted({each for grades in sound.values() for each in grades}))
    documents = {each: document for each, document in documents.items() if document.text}
    wanted = []
    for query, grades in sound.items():
        kept = {each: grade for each, grade in grades.items() if each in documents}
        dropped["judged documents that the index lacks"] += len(grades) - len(kept)
        if not query.strip():
            dropped["judged queries without a text"] += 1
        elif not kept:
            dropped["judged queries without a document in the index"] += 1
        elif max(kept.values()) <= 0:
            dropped["judged queries with nothing above grade 0"] += 1
        else:
            labels = {each: Label(grade / highest) for each, grade in kept.items()}
            wanted.append(Wanted(" ".join(query.split()), "judged", labels))
    return Found(wanted, documents)


def _sound(grades: Mapping[str, float], max_grade: float | None, dropped: Counter[str]) -> dict[str, float]:
    found = {}
    for document_id, grade in grades.items():
        is_number = isinstance(grade, int | float) and not isinstance(grade, bool) and math.isfinite(grade)
        if is_number and 0 <= grade <= (math.inf if max_grade is None else max_grade):
            found[str(document_id)] = float(grade)
        else:
            dropped["grades that are no number from 0 to the highest"] += 1
    return found


def wanted_of_behaviour(shop: Shop, source: Path | str, options: BehaviourOptions, dropped: Counter[str]) -> Found:
    """Labels of a UBI log, position bias corrected; objects are found by `profiles.id_field`, default the id.

    Raises CommandError where the index cannot be read, ConfigError where the file cannot.
    """
    log = read_log(read_records(shop, source, dropped), options)
    dropped.update(log.dropped)
    examination = estimate_examination(log.searches, options)
    queries = label_queries(log.searches, examination, options, dropped)
    keys = sorted({each for query in queries for each in query.targets})
    documents = find_documents(shop, keys, shop.settings.profiles.id_field)
    documents = {key: document for key, document in documents.items() if document.text}
    wanted = []
    for query in queries:
        # Ascending: where two names are one document's, the better target stays.
        targets = sorted((target, key) for key, target in query.targets.items() if key in documents)
        labels = {documents[key].document_id: Label(target) for target, key in targets}
        dropped["objects of events that the index lacks"] += sum(key not in documents for key in query.targets)
        if not labels or max(label.target for label in labels.values()) < max(query.targets.values()):
            dropped["clicked queries whose best answer the index lacks"] += 1
        else:
            wanted.append(Wanted(query.query_text, "behaviour", labels, query.weight))
    by_id = {document.document_id: document for document in documents.values()}
    return Found(wanted, by_id, [f"{len(log.searches):,} searches of the log counted; {examination}"])
