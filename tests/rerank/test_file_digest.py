"""A model's files are read once for its name in the memory of scores and for its exports, and anew once they change."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from middleware.rerank.backends.calibration import export_folder
from middleware.rerank.file_digest import file_digest
from middleware.rerank.score_keys import fingerprint


def write_long_ago(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    time.sleep(max(0.0, path.stat().st_ctime + 2.05 - time.time()))
    return path


def test_weights_are_read_once_for_the_fingerprint_and_the_export(tmp_path, monkeypatch) -> None:
    read = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: read.append(file.name) or digest(file, name))
    weights = write_long_ago(tmp_path / "model.safetensors", b"weights")
    linked = tmp_path / "snapshot"
    linked.mkdir()
    (linked / "model.safetensors").symlink_to(weights)  # as the hub's cache does
    for _ in range(2):
        fingerprint(str(linked), None)
        export_folder([weights])
    assert read == [str(weights)]


def test_the_digest_is_that_of_the_bytes_and_names_the_export_of_a_single_file(tmp_path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    assert file_digest(weights) == hashlib.sha256(b"weights").digest()
    assert export_folder([weights]).name == hashlib.sha256(b"weights").hexdigest()[:16]


def test_exports_of_several_files_differ_with_each_of_them(tmp_path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    folders = {export_folder(files) for files in ([first], [second], [first, second], [second, first])}
    assert len(folders) == 4


def test_a_file_written_anew_has_another_digest_even_where_size_and_time_stay(tmp_path) -> None:
    path = write_long_ago(tmp_path / "model.safetensors", b"weights")
    before, told = file_digest(path), path.stat()
    for content in (b"WEIGHTS", b"weighty"):
        path.write_bytes(content)
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
        assert file_digest(path) == hashlib.sha256(content).digest() != before
