"""What a catalogue's texts showed of a model's inner values, kept by the hash of its weights and found at load."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from middleware.config import cache_dir
from middleware.rerank.backends.folding import Ranges
from middleware.rerank.file_digest import file_digest

CALIBRATION_FILE = "es_rerank_calibration.npz"


def find_ranges(weight_files: Sequence[Path]) -> Ranges | None:
    """The calibration that lies beside the weights, or in our cache; None where the model was never exported."""
    for file in (weight_files[0].parent / CALIBRATION_FILE, export_folder(weight_files) / CALIBRATION_FILE):
        if file.is_file():
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
    return None


def digest_ranges(ranges: Ranges) -> str:
    """Eight hex digits that tell one calibration from another: scores differ between them."""
    digest = hashlib.sha256()
    for name in sorted(ranges):
        digest.update(name.encode() + np.ascontiguousarray(ranges[name]).tobytes())
    return digest.hexdigest()[:8]


def save_ranges(ranges: Ranges, file: Path) -> None:
    """All or nothing: written beside, then renamed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.stem}.{os.getpid()}.npz")
    np.savez(unfinished, **ranges)  # type: ignore[arg-type]  # its names are operations, never allow_pickle
    unfinished.replace(file)


def export_folder(weight_files: Sequence[Path]) -> Path:
    """Where an export of these weights is kept: a folder named by the hash of their bytes."""
    digests = [file_digest(file) for file in weight_files]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
    return cache_dir() / "exports" / whole.hex()[:16]
