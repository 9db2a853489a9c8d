"""What tells one score from every other: the model as it is on the disk, the query text and the document text."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from middleware.config import ModelSettings
from middleware.registry.manifest import MANIFEST_FILE, find_manifest
from middleware.rerank.backends import Backend
from middleware.rerank.file_digest import file_digest

_DIGEST_BYTES = 16
# How the work is done, which no score depends on; where the model is, since a copy of it is the same model.
_NOT_OF_THE_SCORE = {"source", "revision", "batch_tokens", "threads", "queue_limit", "document_bytes", "estimator"}
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ ÄÉÑØŠŽ ΑΒΓΣ АБВЯ"


@dataclass(frozen=True, slots=True)
class ScoreKeys:
    """Keys of one loaded model: `revision` stands for it, `folds_case` says that capitals are nothing to it."""

    revision: bytes
    folds_case: bool

    def normalise(self, query_text: str) -> str:
        """The query text that is read in place of all that differ in spaces, or in case where the model sees none.

        The model reads it, too: a remembered score is never that of another text.
        """
        text = " ".join(query_text.split())
        return text.lower() if self.folds_case else text

    def of(self, query_text: str, document_texts: Iterable[str]) -> list[bytes]:
        """A key of 16 bytes for each pair; `query_text` is normalised already."""
        query = query_text.encode("utf-8", "surrogatepass")
        start = hashlib.blake2b(self.revision, digest_size=_DIGEST_BYTES)
        # With its length before it, no end of the query text can pass for the start of a document.
        start.update(len(query).to_bytes(8, "little") + query)
        keys = []
        for text in document_texts:
            digest = start.copy()
            digest.update(text.encode("utf-8", "surrogatepass"))
            keys.append(digest.digest())
        return keys


def make_keys(settings: ModelSettings, backend: Backend) -> ScoreKeys | None:
    """The keys of a model that was just loaded; None where nobody can tell when the model changes."""
    own: str | None = getattr(backend, "revision", None)
    is_remote = settings.remote is not None
    if own is None and is_remote:
        return None
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    relevant = settings.model_dump_json(exclude=_NOT_OF_THE_SCORE)
    for part in (own or fingerprint(settings.source, settings.revision), backend.name, relevant):
        digest.update(len(part).to_bytes(8, "little") + part.encode("utf-8", "surrogatepass"))
    return ScoreKeys(digest.digest(), folds_case=not is_remote and _folds_case(backend))


def _folds_case(backend: Backend) -> bool:
    capitals, small = (backend.encode(text, ["x"])[0]["input_ids"] for text in (_CAPITALS, _CAPITALS.lower()))
    return list(capitals) == list(small)


def fingerprint(source: str, revision: str | None) -> str:
    """A digest of all files of a model's folder, or of the hub's files on this machine.

    Their content, not their times: it is read to be loaded anyway (1 GB a second), a copy on another machine is the
    same model, and a file that was written anew in its old size is another one. A hub model whose files are not found
    gets a name that nobody else will ever have, so that its scores are remembered by this process alone. What the
    registry says of a model is none of its content: the same weights give the same scores under any name and version.
    """
    folder = model_folder(source, revision)
    if folder is None:
        return secrets.token_hex(_DIGEST_BYTES)
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    about = folder / MANIFEST_FILE if find_manifest(folder) else None
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path != about):
        name = path.relative_to(folder).as_posix().encode("utf-8", "surrogatepass")
        digest.update(len(name).to_bytes(8, "little") + name + file_digest(path))
    return digest.hexdigest()


def model_folder(source: str, revision: str | None) -> Path | None:
    """A model's files on this machine; None for a hub model that is not in the hub's cache."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(source, "config.json", revision=revision)
    except Exception:  # noqa: BLE001 - not installed, or a name that is none: then there is no folder
        return None
    return Path(found).parent if isinstance(found, str) else None
