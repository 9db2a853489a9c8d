"""The settings that gunicorn gets, and what a reload may change."""

from __future__ import annotations

import pytest
from gunicorn.config import Config

from middleware.config import Settings
from middleware.errors import ConfigError
from middleware.server import Server, gunicorn_settings


def settings(**server) -> Settings:
    return Settings(server={"bind": "127.0.0.1:9280", **server})


def no_app(_: Settings):
    raise AssertionError("no worker runs here")


def test_gunicorn_knows_every_setting_we_give_it():
    config = Config()
    for name, value in gunicorn_settings(settings(workers=3, threads=5)).items():
        config.set(name, value)
    assert (config.workers, config.threads, config.address) == (3, 5, [("127.0.0.1", 9280)])


def test_a_reload_takes_new_settings_but_not_a_new_address(caplog):
    server = Server(settings(), lambda: settings(threads=7, bind="127.0.0.1:9999"), no_app)
    server.reload()
    assert (server.cfg.threads, server.cfg.address) == (7, [("127.0.0.1", 9280)])
    assert "after a restart" in caplog.text


def test_a_reload_with_broken_settings_changes_nothing(caplog):
    def broken() -> Settings:
        raise ConfigError("budget_ms", 0, "must be above 0")

    server = Server(settings(threads=7), broken, no_app)
    server.reload()
    assert server.cfg.threads == 7
    assert "budget_ms" in caplog.text


@pytest.mark.parametrize("bind", ["127.0.0.1:9280", "unix:/tmp/socket", "[::1]:9280"])
def test_every_kind_of_address_is_taken(bind):
    assert Server(settings(bind=bind), settings, no_app).cfg.address
