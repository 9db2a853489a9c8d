"""The rows of a file of judgments, whichever of the usual formats it has: its first line tells which."""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from middleware.errors import CommandError, ConfigError

QUERY_TEXT = ("query", "query_text", "user_query", "text")
QUERY_ID = ("query_id", "qid")
DOCUMENT = ("doc_id", "docid", "product_id", "document_id", "corpus_id")
GRADE = ("esci_label", "rating", "grade", "relevance", "label", "judgment", "judgement", "score")
ESCI_LABELS = {"e": 3.0, "s": 2.0, "c": 1.0, "i": 0.0, "substitute": 2.0, "complement": 1.0}
WANDS_LABELS = {"exact": 2.0, "partial": 1.0, "irrelevant": 0.0}
LABELS = ESCI_LABELS | WANDS_LABELS
ESCI_EXACT = 3.0
REMEDY = "give TREC qrels (query_id 0 doc_id grade) or a CSV or TSV with a header, such as query,doc_id,rating"

_LETOR = re.compile(r"(\S+)\s+qid:(\S+)\s[^#]*#\s*([^\s;]+);?\s+(.+)")
_TREC_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One judgment as its file has it; `query_text` is None where the file has only ids."""

    query_id: str
    query_text: str | None
    document_id: str
    grade: float


def open_rows(path: Path) -> tuple[str, Iterator[Row | str]]:
    """The name of the format and each row, or in its place what is wrong with it.

    Raises ConfigError for a file that cannot be read or has no format that we know, CommandError for an empty one.
    """
    if path.suffix == ".parquet":
        columns, records = _parquet(path)
        return _table(path, columns, records)
    lines = read_lines(path)
    first = next(lines, None)
    if first is None:
        raise CommandError(f"{path} is empty; {REMEDY}")
    whole = chain([first], lines)
    if _LETOR.match(first):
        return "LETOR text of Quepid", (_letor_row(line) for line in whole)
    if _is_trec(first):
        return "TREC qrels", (_trec_row(line) for line in whole)
    return _table(path, *read_table(whole))


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, also gzipped, but for blank ones. Raises ConfigError where it is none."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8-sig") if zipped else path.open(encoding="utf-8-sig") as lines:
            yield from (line for line in lines if line.strip())
    except UnicodeDecodeError as error:
        raise ConfigError("file", str(path), f"not UTF-8 at byte {error.start}; convert it first") from error
    except (OSError, EOFError) as error:
        raise ConfigError("file", str(path), f"cannot be read: {error}") from error


def read_table(lines: Iterable[str]) -> tuple[list[str], Iterator[dict[str, str]]]:
    """Columns, their names in lower case with underscores, and the rows of a CSV or TSV with a header."""
    stream = iter(lines)
    header = next(stream)
    delimiter = max("\t,;", key=header.count)
    columns = [name_of(name) for name in next(csv.reader([header], delimiter=delimiter))]
    return columns, _records(csv.DictReader(stream, columns, restval="", delimiter=delimiter))


def name_of(column: str) -> str:
    return re.sub(r"[\s-]+", "_", column.strip().lower())


def find_column(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """The first of `names` that is a column."""
    return next((name for name in names if name in set(columns)), None)


def _records(reader: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    try:
        for record in reader:
            yield {name: value for name, value in record.items() if isinstance(name, str)}
    except csv.Error as error:
        raise CommandError(f"line {reader.line_num}: not a CSV: {error}") from error


def _parquet(path: Path) -> tuple[list[str], Iterator[dict[str, str]]]:
    try:
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        file = parquet.ParquetFile(path)
    except ImportError as error:
        raise CommandError("pyarrow is not installed; pip install 'es-rerank[train]'") from error
    except (OSError, ValueError) as error:
        raise ConfigError("file", str(path), f"cannot be read: {error}") from error
    wanted = {name: name_of(name) for name in file.schema_arrow.names}
    kept = [name for name, ours in wanted.items() if ours in {*QUERY_TEXT, *QUERY_ID, *DOCUMENT, *GRADE}]

    def records() -> Iterator[dict[str, str]]:
        for batch in file.iter_batches(columns=kept):
            for record in batch.to_pylist():
                yield {wanted[name]: "" if value is None else str(value) for name, value in record.items()}

    return [wanted[name] for name in kept], records()


def _is_trec(line: str) -> bool:
    parts = line.split()
    return len(parts) == _TREC_COLUMNS and not math.isnan(_number(parts[-1]))


def _trec_row(line: str) -> Row | str:
    parts = line.split()
    if len(parts) != _TREC_COLUMNS:
        return f"not {_TREC_COLUMNS} columns"
    return _row(parts[0], None, parts[2], _number(parts[3]))


def _letor_row(line: str) -> Row | str:
    found = _LETOR.match(line)
    if found is None:
        return "not as: grade qid:ID # document query"
    grade, query_id, document, text = found.groups()
    return _row(query_id, text.strip().strip('"'), document, _number(grade))


def _table(path: Path, columns: list[str], records: Iterator[dict[str, str]]) -> tuple[str, Iterator[Row | str]]:
    text, query_id = find_column(columns, QUERY_TEXT), find_column(columns, QUERY_ID)
    document, grade = find_column(columns, DOCUMENT), find_column(columns, GRADE)
    if document is None or (text is None and query_id is None):
        raise ConfigError("file", str(path), f"no columns for query and document among {columns}; {REMEDY}")
    raters = [] if grade else [name for name in columns if name not in (text, query_id, document)]
    if not grade and not raters:
        raise ConfigError("file", str(path), f"no column for the grade among {columns}; {REMEDY}")

    def rows() -> Iterator[Row | str]:
        for record in records:
            words = " ".join(record.get(text or "", "").split())
            said = _grade(record.get(grade, ""), grade) if grade else _mean(record, raters)
            yield _row(record.get(query_id or "", "").strip() or words, words or None, record[document].strip(), said)

    return _format_name(columns, grade, raters), rows()


def _format_name(columns: list[str], grade: str | None, raters: list[str]) -> str:
    if grade == "esci_label":
        return "ESCI"
    if raters:
        return f"book of Quepid, {len(raters)} raters"
    if grade == "label" and "product_id" in columns:
        return "WANDS"
    if "docid" in columns or {"doc_id", "case_id"} <= set(columns):
        return "export of Quepid"
    return f"columns {', '.join(columns[:5])}"


def _grade(said: str, column: str) -> float:
    label = said.strip().lower()
    if column == "esci_label" and label == "exact":
        return ESCI_EXACT
    return LABELS[label] if label in LABELS else _number(label)


def _mean(record: Mapping[str, Any], raters: list[str]) -> float:
    """Of a book of Quepid, where each rater has a column."""
    known = [value for name in raters if not math.isnan(value := _number(record.get(name, "")))]
    return sum(known) / len(known) if known else math.nan


def _number(said: str) -> float:
    try:
        value = float(said)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _row(query_id: str, text: str | None, document: str, grade: float) -> Row | str:
    if not query_id:
        return "no query"
    if not document:
        return "no document id"
    if math.isnan(grade):
        return "no grade, or one that is neither a number nor a known label"
    return Row(query_id, text, document, grade)
