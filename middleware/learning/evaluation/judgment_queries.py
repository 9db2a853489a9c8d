"""The texts of judged queries by their ids, from TSV, CSV, TREC topics or plain lines, and how often each is sent."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from middleware.errors import CommandError
from middleware.learning.evaluation.judgment_rows import find_column, name_of, read_lines, read_table

ID = ("query_id", "qid", "id", "_id", "num")
TEXT = ("query", "text", "query_text", "user_query", "title")
SEARCHES = ("count", "counts", "frequency", "freq", "searches")

_TOPIC = re.compile(r"<num>\s*(?:Number:)?\s*([^\s<]+).*?<title>\s*(?:Topic:)?\s*([^<]+)", re.DOTALL | re.IGNORECASE)
_XML_TOPIC = re.compile(r"<topic\s[^>]*number\s*=\s*[\"']([^\"']+)[\"'].*?<(?:query|title)>([^<]+)<", re.DOTALL)


@dataclass(frozen=True, slots=True)
class QueryTexts:
    """Query id -> text, and where the file says so, how often it is searched for; `dropped` rows by their fault."""

    texts: Mapping[str, str]
    searches: Mapping[str, int]
    dropped: Mapping[str, int]


def read_query_texts(path: Path) -> QueryTexts:
    """The queries of a file: TREC topics, a CSV or TSV with a header, `id TAB text`, or one query a line.

    A query without an id of its own has its text for one. Raises ConfigError or CommandError where there is none.
    """
    lines = read_lines(path)
    first = next(lines, "")
    whole = chain([first], lines)
    if first.lstrip().startswith("<"):
        pairs: Iterator[tuple[str, str, str]] = _topics("".join(whole))
    elif _is_header(first):
        pairs = _table(whole)
    else:
        pairs = (_plain(line) for line in whole if line.strip())
    texts, searches, dropped = dict[str, str](), Counter[str](), Counter[str]()
    for query_id, text, count in pairs:
        words = " ".join(text.split())
        if not words:
            dropped["a line of --queries without a text"] += 1
            continue
        texts[query_id.strip() or words] = words
        if count.strip().isdigit():
            searches[query_id.strip() or words] += int(count)
    if not texts:
        raise CommandError(f"{path}: holds no query; give lines of: id TAB text")
    return QueryTexts(texts, searches, dropped)


def _is_header(line: str) -> bool:
    names = [name_of(name) for name in re.split(r"[\t,;]", line)]
    return find_column(names, TEXT) is not None and (
        len(names) == 1 or find_column(names, (*ID, *SEARCHES)) is not None
    )


def _table(lines: Iterator[str]) -> Iterator[tuple[str, str, str]]:
    columns, records = read_table(lines)
    query_id, text, count = (find_column(columns, names) for names in (ID, TEXT, SEARCHES))
    for record in records:
        yield record.get(query_id or "", ""), record.get(text or "", ""), record.get(count or "", "")


def _plain(line: str) -> tuple[str, str, str]:
    query_id, tab, text = line.partition("\t")
    return (query_id, text, "") if tab else ("", query_id, "")


def _topics(content: str) -> Iterator[tuple[str, str, str]]:
    for pattern in (_TOPIC, _XML_TOPIC):
        for query_id, text in pattern.findall(content):
            yield query_id, html.unescape(text), ""
