"""Graded judgments from the files that people have, with a count of every row that could not be used and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from middleware.errors import CommandError, ConfigError
from middleware.learning.evaluation.judgment_queries import QueryTexts, read_query_texts
from middleware.learning.evaluation.judgment_rows import Row, open_rows

ESCI_GAINS = {0.0: 0, 0.01: 1, 0.1: 2, 1.0: 3}

NO_TEXT = "the query has no text"
NOT_IN_INDEX = "the document is not in the index"


@dataclass(frozen=True, slots=True)
class Judgments:
    """Queries by id and what was said of documents for them; a document that is not there was not judged.

    `qrels`: query id -> document id -> grade, 0 to `max_grade`. `searches`: how often a query is sent, where its file
    says so. `dropped` and `changed`: rows of the file by what was wrong with them, with how many.
    """

    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    max_grade: int
    source: str
    searches: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        grades = ", ".join(f"{grade}: {count}" for grade, count in sorted(self.grades.items()))
        return f"{self.source}: {len(self.qrels)} queries, {self.grades.total()} judgments (grade {grades})"

    @property
    def grades(self) -> Counter[int]:
        """How many judgments there are of each grade."""
        return Counter(grade for judged in self.qrels.values() for grade in judged.values())

    @property
    def without_relevant(self) -> tuple[str, ...]:
        """The queries for which no document has a grade above 0: no ranking can be better than another for them."""
        return tuple(query for query, judged in self.qrels.items() if max(judged.values()) == 0)

    def remarks(self) -> list[str]:
        """What was dropped and changed, a line each."""
        lines = [f"judgments dropped: {count}, {why}" for why, count in self.dropped.items()]
        return lines + [f"judgments changed: {count}, {how}" for how, count in self.changed.items()]

    def by_text(self) -> Mapping[str, Mapping[str, int]]:
        """Query text -> document id -> grade; of queries with one text a document's highest grade counts."""
        found: dict[str, dict[str, int]] = {}
        for query, judged in self.qrels.items():
            of_text = found.setdefault(self.queries[query], {})
            for document, grade in judged.items():
                of_text[document] = max(grade, of_text.get(document, 0))
        return found

    def only(self, documents: Container[str], reason: str = NOT_IN_INDEX) -> Judgments:
        """Those of these documents; queries that lose all of theirs go. Raises CommandError where none is left."""
        kept = {
            query: {document: grade for document, grade in judged.items() if document in documents}
            for query, judged in self.qrels.items()
        }
        lost = self.grades.total() - sum(len(judged) for judged in kept.values())
        kept = {query: judged for query, judged in kept.items() if judged}
        if not kept:
            raise CommandError(f"{self.source}: none of its {lost} judgments is left: {reason}; see --id-field")
        dropped = {**self.dropped, **({reason: lost} if lost else {})}
        return replace(self, queries={query: self.queries[query] for query in kept}, qrels=kept, dropped=dropped)


def read_judgments(path: Path, queries: Path | None = None) -> Judgments:
    """Judgments of a file whose format its own columns tell, and the texts of its queries, from `queries` or itself.

    Formats: TREC qrels; CSV or TSV with a header, among them query,doc_id,rating, ESCI, WANDS (whose query.csv is found
    beside label.csv), BEIR, and the exports of Quepid; ESCI's parquet. Raises ConfigError for a file that is none of
    these, CommandError, with counts, where nothing in it can be used.
    """
    source, rows = open_rows(path)
    if queries is None and source.startswith("WANDS") and path.with_name("query.csv").is_file():
        queries = path.with_name("query.csv")
    given = read_query_texts(queries) if queries else QueryTexts({}, {}, {})
    collected = _Collected(dict(given.texts), Counter(given.dropped))
    for row in rows:
        collected.take(row)
    return collected.finish(f"{path} ({source})", given, has_queries=queries is not None)


class _Collected:
    """Rows as they come: the texts of queries, and grades as read."""

    def __init__(self, texts: dict[str, str], dropped: Counter[str]) -> None:
        self._texts = texts
        self._grades: dict[str, dict[str, float]] = {}
        self._dropped, self._changed = dropped, Counter[str]()
        self._rows = 0

    def take(self, row: Row | str) -> None:
        self._rows += 1
        if isinstance(row, str):
            self._dropped[row] += 1
            return
        if row.query_text:
            self._texts.setdefault(row.query_id, row.query_text)
        judged = self._grades.setdefault(row.query_id, {})
        known = judged.get(row.document_id)
        if known is not None and known != row.grade:
            self._changed["judged more than once; the highest grade counts"] += 1
        judged[row.document_id] = row.grade if known is None else max(known, row.grade)

    def finish(self, source: str, given: QueryTexts, *, has_queries: bool) -> Judgments:
        if not self._rows:
            raise CommandError(f"{source}: holds no judgments")
        without_text = [query for query in self._grades if query not in self._texts]
        if without_text and len(without_text) == len(self._grades):
            remedy = "none of its query ids is in --queries" if has_queries else "give --queries FILE (id, text)"
            raise CommandError(f"{source}: its {len(without_text)} queries have no text; {remedy}")
        for query in without_text:
            self._dropped[NO_TEXT] += len(self._grades.pop(query))
        qrels = self._whole_grades(source)
        if not qrels:
            reasons = "; ".join(f"{count} x {reason}" for reason, count in self._dropped.items())
            raise CommandError(f"{source}: none of its {self._rows} rows is a judgment: {reasons}")
        return Judgments(
            queries={query: self._texts[query] for query in qrels},
            qrels=qrels,
            max_grade=max(max(judged.values()) for judged in qrels.values()),
            source=source,
            searches={query: given.searches[query] for query in qrels if query in given.searches},
            dropped=dict(self._dropped),
            changed=dict(self._changed),
        )

    def _whole_grades(self, source: str) -> dict[str, dict[str, int]]:
        """Grades as whole numbers from 0 on, which is what trec_eval takes."""
        values = {grade for judged in self._grades.values() for grade in judged.values()}
        fractions = {value for value in values if value != int(value)}
        is_esci = bool(fractions) and values <= set(ESCI_GAINS)
        if fractions and not is_esci and max(values) <= 1:
            raise ConfigError("--qrels", source, "its grades are fractions of 1; multiply them by the highest grade")
        return {
            query: {document: self._whole(grade, is_esci) for document, grade in judged.items()}
            for query, judged in self._grades.items()
        }

    def _whole(self, grade: float, is_esci: bool) -> int:
        if is_esci:
            return ESCI_GAINS[grade]
        if grade < 0:
            self._changed["a grade below 0 counts as 0, as in trec_eval"] += 1
            return 0
        if grade != int(grade):
            self._changed["a fraction, rounded to the nearest grade"] += 1
        return int(grade + 0.5)
