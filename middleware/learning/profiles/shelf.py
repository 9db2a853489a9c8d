"""The products that events name, read from the cluster once and kept on disk: their fields, and vectors in 8 bits."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np

from middleware.durable_files import flush_tree, unfinished_beside
from middleware.learning.profiles.kmeans import unit_rows
from middleware.learning.profiles.runs import id_hash
from middleware.personalization.fields import HitFields
from middleware.personalization.state import Product

Page = Sequence[tuple[str, HitFields, str | None]]
"""object_id, fields and packed vector (rerank/vectors.py) of some products."""

_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A product on the shelf: its row, its id, and what behaviour on it is counted on."""

    row: int
    object_id: str
    product: Product


class Shelf:
    """Products by the hash of their id, from a folder that `write_shelf` made. Raises OSError where it is damaged."""

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "facts.json").read_text())
        self.vector_model: str | None = facts["vector_model"]
        self.with_vector: int = facts["with_vector"]
        self.dimensions: int = facts["dimensions"]
        self._hashes = np.load(folder / "hashes.npy")
        self._starts = np.load(folder / "starts.npy")
        self._file = (folder / "fields.jsonl").open("rb")
        self._lines = mmap(self._file.fileno(), 0, access=ACCESS_READ) if len(self) else b""
        self._codes = np.load(folder / "vectors.npy", mmap_mode="r") if self.dimensions else None
        self.get: Callable[[int], Kept | None] = lru_cache(_REMEMBERED)(self._read)

    def __len__(self) -> int:
        return len(self._hashes)

    def rows_of(self, objects: Any) -> Any:
        """Rows of hashes, both of shape (n,); -1 where there is no such product."""
        if not len(self):
            return np.full(len(objects), -1, dtype=np.int64)
        rows = np.searchsorted(self._hashes, objects).clip(max=len(self) - 1)
        return np.where(self._hashes[rows] == objects, rows, -1)

    def object_id(self, row: int) -> str:
        return self._fields(row)[0]

    def _read(self, target: int) -> Kept | None:
        row = int(self.rows_of(np.array([target], dtype=np.uint64))[0])
        if row < 0:
            return None
        object_id, fields = self._fields(row)
        return Kept(row, object_id, Product(fields, self._vector(row)))

    def _fields(self, row: int) -> tuple[str, HitFields]:
        object_id, fields = json.loads(self._lines[self._starts[row] : self._starts[row + 1]])
        named: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return object_id, HitFields(**named)

    def _vector(self, row: int) -> Any:
        if self._codes is None or not self._codes[row].any():
            return None
        return unit_rows(self._codes[row : row + 1].astype(np.float32))[0]


def write_shelf(folder: Path, pages: Iterator[Page], vector_model: str | None) -> None:
    """Put products on a shelf that is there whole or not at all; memory holds their hashes alone."""
    unfinished = unfinished_beside(folder)
    unfinished.mkdir(parents=True)
    hashes, lengths, rows, dimensions = [], [], 0, 0
    with (unfinished / "unsorted.jsonl").open("wb") as lines, (unfinished / "codes.bin").open("wb") as codes:
        with_vector: list[int] = []
        for page in pages:
            for object_id, fields, packed in page:
                text = json.dumps([object_id, _plain(fields)]).encode() + b"\n"
                lines.write(text)
                hashes.append(id_hash(object_id))
                lengths.append(len(text))
                code = b64decode(packed) if packed else b""
                dimensions = dimensions or len(code)
                if code and len(code) == dimensions:
                    codes.write(code)
                    with_vector.append(rows)
                rows += 1
    _sort(unfinished, np.array(hashes, dtype=np.uint64), np.array(lengths), np.array(with_vector), dimensions)
    facts = {"vector_model": vector_model, "with_vector": len(with_vector), "dimensions": dimensions}
    (unfinished / "facts.json").write_text(json.dumps(facts))
    flush_tree(unfinished)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _sort(folder: Path, hashes: Any, lengths: Any, with_vector: Any, dimensions: int) -> None:
    """Write hashes, lines and codes in the order of the hashes."""
    order = np.argsort(hashes, kind="stable")
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    with (folder / "unsorted.jsonl").open("rb") as source, (folder / "fields.jsonl").open("wb") as target:
        for row in order:
            source.seek(starts[row])
            target.write(source.read(int(lengths[row])))
    np.save(folder / "hashes.npy", hashes[order])
    np.save(folder / "starts.npy", np.concatenate(([0], np.cumsum(lengths[order]))).astype(np.int64))
    if dimensions:
        shape = (len(hashes), dimensions)
        vectors = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.int8, shape=shape)
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.arange(len(order))
        with (folder / "codes.bin").open("rb") as source:
            for row in with_vector:
                vectors[places[row]] = np.frombuffer(source.read(dimensions), dtype=np.int8)
        vectors.flush()
    (folder / "unsorted.jsonl").unlink()
    (folder / "codes.bin").unlink()


def _plain(fields: HitFields) -> Mapping[str, Any]:
    return {name: value for name, value in asdict(fields).items() if value is not None and value != ()}
