"""What a classification leaves: a line for each product, and the list of those that a person should look at."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console

from middleware.errors import ConfigError
from middleware.learning.classification.classify import Finding
from middleware.learning.step_bar import step_bar

REVIEW = ("id", "title", "why", "has", "likely", "confidence", "next")
"""Columns of the list for a person."""


@dataclass(slots=True)
class Counts:
    """What was written where."""

    review: Path
    all: int = 0
    unsure: int = 0
    doubtful: int = 0


def write_findings(findings: Iterable[Finding], output: Path, review: Path) -> Counts:
    """Write each finding and list the doubtful ones. Raises ConfigError where a file cannot be written."""
    counts = Counts(review)
    with (
        _opened(output, "--output") as lines,
        _opened(review, "--review") as rows,
        step_bar(Console(stderr=True), "classifying") as step,
    ):
        table = csv.writer(rows)
        table.writerow(REVIEW)
        for finding in findings:
            _write_line(lines, finding)
            counts.all += 1
            counts.unsure += finding.why == "low confidence"
            counts.doubtful += finding.why == "doubt"
            if finding.why:
                table.writerow(review_row(finding))
            if counts.all % 256 == 0:
                step(f"classifying, {counts.all:,} done", 0, 0)
    return counts


def _write_line(file: IO[str], finding: Finding) -> None:
    told = {
        "id": finding.product.id,
        "category": finding.label,
        "confidence": round(finding.confidence, 4),
        "next": [{"category": name, "confidence": round(share, 4)} for name, share in finding.others],
    }
    file.write(json.dumps(told, ensure_ascii=False) + "\n")


def _opened(path: Path, option: str) -> IO[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(option, str(path), f"cannot be written: {error.strerror}") from error


def review_row(finding: Finding) -> list[str]:
    """A line of the list for a person: id, title, why, the category that it has, the likely one, and the next."""
    product, others = finding.product, "; ".join(f"{name} {share:.2f}" for name, share in finding.others)
    found = finding.label, f"{finding.confidence:.3f}", others
    return [product.id, product.title, finding.why, product.label, *found]


def write_review(findings: Sequence[Finding], path: Path) -> None:
    """The list for a person; no file where there is nothing to look at. Raises ConfigError."""
    if not findings:
        path.unlink(missing_ok=True)
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(REVIEW)
            table.writerows(review_row(finding) for finding in findings)
    except OSError as error:
        raise ConfigError("--classifier", str(path), f"the review list cannot be written: {error.strerror}") from error
