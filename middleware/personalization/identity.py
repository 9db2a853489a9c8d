"""Users by a keyed hash: what is stored or logged of somebody never holds the name that the shop knows them by."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from middleware.config import PrivacySettings, cache_dir
from middleware.durable_files import unfinished_beside
from middleware.errors import ConfigError

PREFIX = "u1."
"""Of every hash, so that one is told from a name, and hashed no second time."""
_HASH_BYTES = 18
_KEY_BYTES = 32
_LEAST_KEY_BYTES = 16
_HASH = re.compile(rf"{re.escape(PREFIX)}[A-Za-z0-9_-]{{{_HASH_BYTES * 4 // 3}}}")


class Identity:
    """Names to hashes: BLAKE2b with a key (RFC 7693), 144 bits, URL-safe. Without the key no name can be tried out."""

    def __init__(self, key: bytes, old_keys: Iterable[bytes] = ()) -> None:
        """`old_keys`: those in force before, latest first, under which there may still be documents."""
        self._keys = tuple(_derived(each) for each in (key, *old_keys))

    def hash(self, user_id: str) -> str:
        """The hash of a user's name as it comes in a header or an event; a hash stays as it is, blank stays blank."""
        return self.hashes(user_id)[0]

    def hashes(self, user_id: str) -> tuple[str, ...]:
        """As `hash`, and then those under the old keys, which a hash does not have."""
        name = user_id.strip()
        if not name or _is_hash(name):
            return (name,)
        return tuple(_hash(name, key) for key in self._keys)


def open_identity(settings: PrivacySettings) -> Identity:
    """The identity under the configured key; a key file that is not there yet is made, for its owner's eyes alone.

    Raises ConfigError where the key cannot be read, made or is too short.
    """
    old_keys = [_checked("privacy.old_keys", key.get_secret_value().encode()) for key in settings.old_keys]
    if settings.key is not None:
        return Identity(_checked("privacy.key", settings.key.get_secret_value().encode()), old_keys)
    path = settings.key_file or cache_dir() / "privacy.key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_unless_there(path)
        return Identity(_checked("privacy.key_file", path.read_bytes().strip()), old_keys)
    except OSError as error:
        raise ConfigError("privacy.key_file", str(path), f"give a file that can be read or made: {error}") from error


def _derived(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=_KEY_BYTES, person=b"es-rerank users").digest()


def _hash(name: str, key: bytes) -> str:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES, key=key)
    return PREFIX + urlsafe_b64encode(digest.digest()).decode()


def _make_unless_there(path: Path) -> None:
    """Two processes that start at once end with one key: the second link to the same name fails."""
    if path.exists():
        return
    unfinished = unfinished_beside(path)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(_KEY_BYTES))
        with suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _checked(name: str, key: bytes) -> bytes:
    if len(key) < _LEAST_KEY_BYTES:
        raise ConfigError(name, "...", f"give a secret of at least {_LEAST_KEY_BYTES} bytes")
    return key


def _is_hash(name: str) -> bool:
    return _HASH.fullmatch(name) is not None
