"""Records out of a catalogue file, one at a time: JSON lines, CSV or TSV, plain or gzipped, from disk or a pipe."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from middleware.errors import CommandError, ConfigError

STDIN = "-"
MAX_RECORD_BYTES = 8 * 1024 * 1024
MAX_CELL_CHARS = 1024 * 1024
FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv"}
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Record:
    """One record as read: `line` is where it starts (1-based), `raw` its text."""

    line: int
    raw: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that does not get into the index: `reason` is a short code, `detail` a sentence."""

    line: int
    reason: str
    detail: str
    raw: str


class Input:
    """An open catalogue; `position` counts the bytes of the file that were read, `size` its bytes (None: a pipe)."""

    def __init__(self, source: str | Path, input_format: str | None = None) -> None:
        """Raises ConfigError where the file cannot be opened or its format is not known."""
        self.name = str(source)
        self._raw = _open(self.name)
        self.size = None if self.name == STDIN else Path(self.name).stat().st_size
        self._counted = _CountedReader(self._raw)
        buffered = io.BufferedReader(self._counted, 256 * 1024)
        self._lines = _unpacked(buffered, self.name)
        self.format = input_format or _format_of(self.name)

    @property
    def position(self) -> int:
        return self._counted.count

    def records(self) -> Iterator[Record | Reject]:
        """Every record, or why it is none, in the order of the file and in constant memory.

        Raises CommandError where the file itself breaks off (a cut gzip) or holds something else altogether.
        """
        line = 0
        try:
            for item in _parse_lines(self._lines) if self.format == "jsonl" else self._table():
                line = item.line
                yield item
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CommandError(f"{self.name}: damaged or cut gzip after line {line}: {error}") from error

    def texts(self) -> Iterator[Record | Reject]:
        """Every line that is not blank, unparsed (an empty document), or why it cannot be one."""
        line = 0
        try:
            for item in _text_lines(self._lines):
                line = item.line
                yield item
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CommandError(f"{self.name}: damaged or cut gzip after line {line}: {error}") from error

    def close(self) -> None:
        if self.name != STDIN:
            self._raw.close()

    def _table(self) -> Iterator[Record | Reject]:
        return _table_records(self._lines, self.name, tabs=self.format == "tsv")


class _CountedReader(io.RawIOBase):
    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._raw.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.count += len(chunk)
        return len(chunk)


def _open(name: str) -> IO[bytes]:
    if name == STDIN:
        return sys.stdin.buffer
    try:
        return open(name, "rb")
    except OSError as error:
        raise ConfigError("--input", name, f"cannot be read: {error.strerror}") from error


def _unpacked(buffered: io.BufferedReader[Any], name: str) -> IO[bytes]:
    magic = buffered.peek(4)[:4]
    if magic[:2] == GZIP_MAGIC:
        return cast(IO[bytes], gzip.GzipFile(fileobj=buffered))
    if magic != ZSTD_MAGIC:
        return buffered
    try:
        import zstandard
    except ImportError as error:
        raise ConfigError("--input", name, "zstd needs an extra package: pip install 'es-rerank[zstd]'") from error
    return io.BufferedReader(cast(Any, zstandard.ZstdDecompressor().stream_reader(buffered)), 256 * 1024)


def _format_of(name: str) -> str:
    if name == STDIN:
        return "jsonl"
    path = Path(name)
    suffix = Path(path.stem).suffix if path.suffix in (".gz", ".zst") else path.suffix
    if suffix not in FORMATS:
        raise ConfigError("--input", name, "unknown kind of file; give --format jsonl, csv or tsv")
    return FORMATS[suffix]


def _parse_lines(lines: IO[bytes]) -> Iterator[Record | Reject]:
    for item in _text_lines(lines):
        yield item if isinstance(item, Reject) else parse_json(item.line, item.raw)


def _text_lines(lines: IO[bytes]) -> Iterator[Record | Reject]:
    for number, line, whole in _bounded_lines(lines):
        raw = line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape").rstrip("\r\n")
        if not whole:
            yield Reject(number, "too_long", f"a record of more than {MAX_RECORD_BYTES} bytes", _printable(raw[:1000]))
        elif fault := _encoding_fault(raw):
            yield Reject(number, "not_utf8", fault, _printable(raw))
        elif raw.strip():
            yield Record(number, raw, {})


def _bounded_lines(lines: IO[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    number = 0
    while line := lines.readline(MAX_RECORD_BYTES):
        number += 1
        whole = line.endswith(b"\n") or len(line) < MAX_RECORD_BYTES
        yield number, line, whole
        while not whole:
            rest = lines.readline(MAX_RECORD_BYTES)
            whole = rest.endswith(b"\n") or not rest


def parse_json(line: int, raw: str) -> Record | Reject:
    """The JSON object in `raw`, or why it is none that Elasticsearch could take."""
    try:
        document = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return Reject(line, "not_json", str(error), raw)
    if not isinstance(document, dict):
        hint = "; turn an array into lines with: jq -c '.[]'" if raw.lstrip()[:1] == "[" else ""
        return Reject(line, "not_an_object", f"want one JSON object a line{hint}", raw)
    if "\\u" in raw and not _is_encodable(document):
        return Reject(line, "not_unicode", "half of a surrogate pair", raw)
    return Record(line, raw, document)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _is_encodable(document: dict[str, Any]) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _encoding_fault(raw: str) -> str | None:
    try:
        raw.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"a byte that is not UTF-8 at character {error.start + 1}"
    return None


def _printable(raw: str) -> str:
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _TableLines:
    """Lines for the csv module that remembers the text of the record it is reading."""

    def __init__(self, lines: IO[bytes]) -> None:
        self._lines = _bounded_lines(lines)
        self.number = 0
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, line, _ = next(self._lines)
        text = line.decode("utf-8-sig" if self.number == 1 else "utf-8", "surrogateescape")
        self._taken.append(text)
        return text

    def take(self) -> str:
        raw = "".join(self._taken).rstrip("\r\n")
        self._taken.clear()
        return raw


def _table_records(lines: IO[bytes], name: str, *, tabs: bool) -> Iterator[Record | Reject]:
    csv.field_size_limit(MAX_CELL_CHARS)
    text = _TableLines(lines)
    first = next(text, "")
    columns = _columns(first, name, tabs=tabs)
    text.take()
    rows = csv.reader(text, **_dialect(first, tabs=tabs))
    while True:
        start = text.number + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Reject(start, "not_csv", f"lines {start} to {text.number}: {error}", _printable(text.take())[:10_000])
            continue
        if row:
            yield _parse_row(start, text.take(), columns, row)
        text.take()


def _columns(header: str, name: str, *, tabs: bool) -> list[str]:
    if _encoding_fault(header):
        raise ConfigError("--input", name, "is not UTF-8; convert it, e.g. with iconv -t UTF-8")
    columns = [column.strip() for column in next(csv.reader([header], **_dialect(header, tabs=tabs)), [])]
    if not any(columns):
        raise ConfigError("--input", name, "is empty; want a header line that names the columns")
    return columns


def _dialect(header: str, *, tabs: bool) -> dict[str, Any]:
    if tabs:
        return {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    return {"delimiter": max(",;\t|", key=header.count)}


def _parse_row(line: int, raw: str, columns: list[str], row: list[str]) -> Record | Reject:
    if fault := _encoding_fault(raw):
        return Reject(line, "not_utf8", fault, _printable(raw))
    if len(row) != len(columns):
        return Reject(line, "wrong_columns", f"{len(row)} cells under {len(columns)} columns", raw)
    cells = ((column, cell) for column, cell in zip(columns, row, strict=True) if column and cell.strip())
    return Record(line, raw, {column: _parse_cell(cell) for column, cell in cells})


def _parse_cell(cell: str) -> Any:
    if cell[:1] not in "[{":
        return cell
    try:
        return json.loads(cell, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return cell
