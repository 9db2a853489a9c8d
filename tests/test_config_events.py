"""The section events of rerank.yml: whose credentials we write with, and what is refused at start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from middleware.behaviour.sink import open_sink
from middleware.config import Settings
from middleware.config.events import EventSettings
from middleware.errors import ConfigError
from middleware.observability import Metrics


def test_we_write_with_an_api_key_from_the_settings_a_file_or_the_environment(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("from-a-file\n")
    monkeypatch.setenv("EVENTS_KEY", "from-the-environment")
    assert EventSettings(api_key="given").authorization() == {"Authorization": "ApiKey given"}
    assert EventSettings(api_key_file=tmp_path / "key").authorization() == {"Authorization": "ApiKey from-a-file"}
    assert EventSettings(api_key_env="EVENTS_KEY").authorization() == {"Authorization": "ApiKey from-the-environment"}
    assert EventSettings(username="a", password="b").authorization() == {"Authorization": "Basic YTpi"}
    assert EventSettings().authorization() == {}
    assert "given" not in repr(EventSettings(api_key="given"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"allow_origins": ["https://shop.example/path"]},
        {"allow_origins": ["shop.example"]},
        {"api_key_env": "NO_SUCH_VARIABLE"},
        {"api_key_file": "/no/such/file"},
        {"username": "a"},
        {"spool_max_bytes": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValidationError):
        EventSettings(**wrong)


def test_a_spool_that_cannot_be_made_is_told_at_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"events\.spool"):
        open_sink(Settings(events={"spool": tmp_path / "file" / "spool"}), None, Metrics())
