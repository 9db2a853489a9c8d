"""What an export reads: document texts of a catalogue, searches made from their words, and judged searches."""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from middleware.catalog.read import Input, Record
from middleware.errors import CommandError, ConfigError
from middleware.search.document import parse_template, read_values

MAX_FIELD_CHARS = 2000
JUDGED_COLUMNS = ("query", "doc_id", "rating")


@dataclass(frozen=True, slots=True)
class CatalogTexts:
    """Document texts by id; `digest` changes with any of them."""

    texts: Mapping[str, str]
    digest: str

    def searches(self, count: int, documents: int, seed: int = 0) -> list[tuple[str, list[str]]]:
        """Searches of two to four words of a document's text, each with that document and others at random."""
        rng = random.Random(seed)
        texts = list(self.texts.values())
        made = []
        for _ in range(count):
            anchor = rng.choice(texts)
            # A text opens with its title.
            words = anchor.split()[:12]
            places = sorted(rng.sample(range(len(words)), min(len(words), rng.randint(2, 4))))
            others = rng.sample(texts, min(len(texts), documents - 1))
            made.append((" ".join(words[place] for place in places), [anchor, *others]))
        return made


Judged = Mapping[str, Mapping[str, int]]
"""Query text -> document id -> grade."""


def read_catalog(path: Path, template: str, id_field: str) -> CatalogTexts:
    """Every record's document text. Raises ConfigError or CommandError where there is none."""
    parsed, digest = parse_template(template), hashlib.sha256(template.encode())
    texts: dict[str, str] = {}
    catalog = Input(path)
    for number, record in enumerate(catalog.records()):
        if isinstance(record, Record):
            values = {field: read_values(record.document, field) for field in parsed.fields}
            if text := parsed.render(values, MAX_FIELD_CHARS):
                texts[str(record.document.get(id_field, number))] = text
                digest.update(text.encode("utf-8", "replace"))
    catalog.close()
    if not texts:
        raise CommandError(f"{path}: no record has a field of the template {template}; give --template")
    return CatalogTexts(texts, digest.hexdigest()[:16])


def read_judged(path: Path, known: Sequence[str] | Mapping[str, str]) -> Judged:
    """Judgments of a CSV with the columns query, doc_id and rating; documents that the catalogue lacks are left out."""
    judged: dict[str, dict[str, int]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["doc_id"] in known:
                    judged.setdefault(row["query"], {})[row["doc_id"]] = int(float(row["rating"]))
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError("--qrels", path, f"give a CSV with the columns {', '.join(JUDGED_COLUMNS)}") from error
    if not judged:
        raise ConfigError("--qrels", path, "none of its documents is in the catalogue; see --id-field")
    return judged
