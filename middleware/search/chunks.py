"""Long document texts in chunks, the best of which the model reads instead of the beginning alone."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

Strategy = Literal["sentence", "word", "recursive", "none"]

# Written without spaces, a character is about as much as a word, and a token of its own for most models.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’.][^\W{_UNSPACED}]+)*")
_TERM = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|[^\W{_UNSPACED}]+(?:['’][^\W{_UNSPACED}]+)*")
_NEW_LINE = r"(?:\r\n|[\n\r\u0085\u2028\u2029])"
_SENTENCE_END = re.compile(
    rf"(?P<marks>[.!?。！？｡．]+)(?P<after>[\"'”’»)\]」』》）】]*[^\S\n\r\u0085\u2028\u2029]*)(?P<line>{_NEW_LINE}?)|{_NEW_LINE}"
)
_NO_LETTERS = re.compile(r"(?:[\d_]|[^\w\n\r.!?。！？｡．])*")
_GOES_ON = tuple(",;:、，；：-–—")
_MAX_OVERLAP = 20
# BM25 as Lucene has it by default (Robertson and Zaragoza, 2009).
_K1, _B = 1.2, 0.75


@dataclass(frozen=True, slots=True)
class Chunking:
    """How a text is cut and how many of its chunks the model reads.

    `max_words` is the size of a chunk, `overlap` counts words (`word`) or sentences, 0 or 1 (`sentence`); `separators`
    are tried one after the other (`recursive`), each match begins a chunk.
    """

    size: int = 1
    strategy: Strategy = "sentence"
    max_words: int = 300
    overlap: int = 0
    separators: tuple[re.Pattern[str], ...] = ()


class _Span(NamedTuple):
    start: int
    end: int
    words: int


def split_chunks(text: str, settings: Chunking) -> list[str]:
    """The text's chunks in order, at least one, by the strategies of Elasticsearch's `chunking_settings`.

    Words are counted as Unicode breaks them, but that each Chinese or Japanese character is one. Without overlap
    nothing is lost but white space and punctuation behind a chunk that is full exactly.
    """
    if settings.strategy == "none":
        return [text]
    cutter = _Cutter(text, settings.max_words)
    if settings.strategy == "word":
        spans = cutter.windows(0, len(text), settings.overlap)
    elif settings.strategy == "recursive":
        spans = list(cutter.split(cutter.span(0, len(text)), settings.separators))
    else:
        spans = cutter.sentences(0, len(text), settings.overlap)
    return [text[span.start : span.end] for span in spans]


class _Cutter:
    """Cuts one text into spans of at most `limit` words; the words are found once."""

    def __init__(self, text: str, limit: int) -> None:
        self._text = text
        self._limit = limit
        self._ends = [match.end() for match in _WORD.finditer(text)]

    def span(self, start: int, end: int) -> _Span:
        return _Span(start, end, bisect_left(self._ends, end + 1) - bisect_left(self._ends, start + 1))

    def windows(self, start: int, end: int, overlap: int) -> list[_Span]:
        """Windows of `limit` words; white space and punctuation between two words belong to the later one."""
        first, words = bisect_left(self._ends, start + 1), self.span(start, end).words
        spans: list[_Span] = []
        for skipped in range(0, max(words, 1), self._limit - overlap):
            left = words - skipped
            if skipped and left <= overlap:
                break
            begin = self._ends[first + skipped - 1] if skipped else start
            full = left >= self._limit
            stop = self._ends[first + skipped + self._limit - 1] if full else end
            spans.append(_Span(begin, stop, min(left, self._limit)))
        return spans

    def sentences(self, start: int, end: int, overlap: int) -> list[_Span]:
        """As many whole sentences a span as fit, after the sentence before it where `overlap` is 1.

        A sentence that does not fit is cut into windows; what is left of it begins the next span.
        """
        spans: list[_Span] = []
        open_span = before = _Span(start, start, 0)
        for sentence in self._sentences(start, end):
            if open_span.words and open_span.words + sentence.words > self._limit:
                spans.append(open_span)
                open_span = self._carried(before, sentence) if overlap else _Span(sentence.start, sentence.start, 0)
            open_span = _Span(open_span.start, sentence.end, open_span.words + sentence.words)
            if open_span.words > self._limit:
                *full, open_span = self.windows(
                    open_span.start, sentence.end, min(_MAX_OVERLAP, (self._limit - 1) // 2)
                )
                spans += full
            before = sentence
        if open_span.words or not spans:
            spans.append(_Span(open_span.start, end, open_span.words))
        return spans

    def split(self, span: _Span, separators: tuple[re.Pattern[str], ...]) -> Iterator[_Span]:
        """Pieces between the first separator's matches, merged while they fit; the next one splits what is too long."""
        if span.words <= self._limit:
            yield span
        elif not separators:
            yield from self.sentences(span.start, span.end, 0)
        else:
            for piece in self._merge(self._pieces(span, separators[0])):
                yield from self.split(piece, separators[1:])

    def _pieces(self, span: _Span, separator: re.Pattern[str]) -> Iterator[_Span]:
        start = span.start
        for match in separator.finditer(self._text, span.start, span.end):
            if match.start() > start:
                yield self.span(start, match.start())
                start = match.start()
        yield self.span(start, span.end)

    def _merge(self, pieces: Iterator[_Span]) -> Iterator[_Span]:
        merged = next(pieces)
        for piece in pieces:
            if merged.words + piece.words <= self._limit:
                merged = _Span(merged.start, piece.end, merged.words + piece.words)
            else:
                yield merged
                merged = piece
        yield merged

    def _carried(self, before: _Span, sentence: _Span) -> _Span:
        """The sentence before, or its last words where it does not fit in front of `sentence`."""
        if before.words + sentence.words <= self._limit:
            return before
        kept = min(before.words, self._limit // 2, _MAX_OVERLAP)
        last = bisect_left(self._ends, before.end + 1)
        start = before.start if kept == before.words else self._ends[last - kept - 1]
        return _Span(start, before.end, kept)

    def _sentences(self, start: int, end: int) -> Iterator[_Span]:
        for stop in sentence_ends(self._text, start, end):
            yield self.span(start, stop)
            start = stop


def sentence_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where each sentence of `text[start:end]` ends, English or Chinese; white space belongs to the one before it."""
    stop = start
    for match in _SENTENCE_END.finditer(text, start, end):
        if _ends_sentence(text, match):
            stop = match.end()
            yield stop
    if stop < end:
        yield end


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    """Whether a sentence ends there, in the main as Unicode Standard Annex 29 has it: `3.5`, `U.S.A.` do not."""
    if not match["marks"] or match["line"]:
        return True
    following = text[match.end() : match.end() + 1]
    if following in _GOES_ON:
        return False
    if match["marks"].strip(".．"):
        return True
    if not match["after"] and (following.isdigit() or following.isupper()):
        return False
    letters = _NO_LETTERS.match(text, match.end())
    return not text[letters.end() : letters.end() + 1].islower() if letters else True


def best_chunks(query_text: str, chunks: list[str], size: int) -> list[str]:
    """Up to `size` of the chunks that hold words of the query, by BM25 among them, the first of equals first.

    The first chunks where none holds any. Case does not matter; Chinese and Japanese count by characters and pairs.
    """
    if len(chunks) <= 1:
        return chunks[:size]
    wanted = Counter(_terms(query_text))
    counts = [Counter(_terms(chunk)) for chunk in chunks]
    scores = _scores(wanted, counts)
    found = [place for place, score in enumerate(scores) if score > 0] or list(range(len(chunks)))
    return [chunks[place] for place in sorted(found, key=lambda place: -scores[place])[:size]]


def _scores(wanted: Counter[str], counts: list[Counter[str]]) -> list[float]:
    lengths = [count.total() for count in counts]
    mean = sum(lengths) / len(lengths) or 1.0
    scores = [0.0] * len(counts)
    for term, weight in wanted.items():
        holding = [place for place, count in enumerate(counts) if term in count]
        rarity = math.log(1 + (len(counts) - len(holding) + 0.5) / (len(holding) + 0.5))
        for place in holding:
            frequency = counts[place][term]
            damping = _K1 * (1 - _B + _B * lengths[place] / mean)
            scores[place] += weight * rarity * frequency / (frequency + damping)
    return scores


def _terms(text: str) -> Iterator[str]:
    for match in _TERM.finditer(text.casefold()):
        run = match["unspaced"]
        if run is None:
            yield match[0]
        else:
            yield from run
            yield from (run[place : place + 2] for place in range(len(run) - 1))
