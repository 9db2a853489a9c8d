"""Users' hashes: the same for one key, of no use without it, and a key that is made once."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from middleware.config import PrivacySettings
from middleware.errors import ConfigError
from middleware.personalization.identity import Identity, open_identity


def test_a_name_has_one_hash_under_a_key_and_another_under_another():
    one, other = Identity(b"k" * 32), Identity(b"o" * 32)
    assert one.hash("anna") == one.hash(" anna ") != other.hash("anna")
    assert "anna" not in one.hash("anna")
    assert one.hash("anna") != one.hash("bela")


def test_a_hash_is_not_hashed_again_and_a_blank_name_stays_blank():
    identity = Identity(b"k" * 32)
    assert identity.hash(identity.hash("anna")) == identity.hash("anna")
    assert identity.hash("  ") == ""
    assert identity.hash("u1.anna") != "u1.anna"


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path):
    settings = PrivacySettings(key_file=tmp_path / "deep" / "key")
    with ThreadPoolExecutor(8) as pool:
        hashes = set(pool.map(lambda _: open_identity(settings).hash("anna"), range(16)))
    assert len(hashes) == 1
    assert stat.S_IMODE((tmp_path / "deep" / "key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["key"]


def test_a_short_secret_is_refused():
    with pytest.raises(ConfigError, match=r"privacy.key.*at least 16 bytes"):
        open_identity(PrivacySettings(key="short"))


def test_a_configured_secret_wins_over_the_file(tmp_path):
    settings = PrivacySettings(key="k" * 20, key_file=tmp_path / "key")
    assert open_identity(settings).hash("anna") == Identity(b"k" * 20).hash("anna")
    assert not (tmp_path / "key").exists()


def test_old_keys_give_more_hashes_of_a_name_but_never_the_first():
    rotated = open_identity(PrivacySettings(key="n" * 20, old_keys=["k" * 20]))
    before = open_identity(PrivacySettings(key="k" * 20)).hash("anna")
    assert rotated.hashes("anna") == (Identity(b"n" * 20).hash("anna"), before)
    assert rotated.hash("anna") != before
    assert rotated.hashes(before) == (before,)


def test_what_only_looks_like_a_hash_is_hashed():
    identity = Identity(b"k" * 32)
    assert identity.hash("u1." + "a b" * 8) != "u1." + "a b" * 8


def test_a_short_old_secret_or_token_is_refused():
    with pytest.raises(ConfigError, match=r"privacy.old_keys.*at least 16 bytes"):
        open_identity(PrivacySettings(key="k" * 20, old_keys=["short"]))
    with pytest.raises(ValueError, match="at least 16 characters"):
        PrivacySettings(admin_token="short")
