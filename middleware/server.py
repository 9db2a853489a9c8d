"""`es-rerank serve`: gunicorn with settings that let a relay be a relay, graceful stop, and reload on SIGHUP."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.util import parse_address

from middleware.config import Settings
from middleware.errors import ConfigError
from middleware.front import WsgiApp
from middleware.relay import relay_worker

_KEEPALIVE_S = 75
_HEADER_FIELDS = 400
_HEADER_BYTES = 64 * 1024
# Of a unix socket alone: it is its owner's and group's, mode 0660, where gunicorn would let everybody connect.
_UMASK = 0o117
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_log = logging.getLogger(__name__)


class Server(BaseApplication):  # type: ignore[misc]
    """The gunicorn application; `load_settings` is called again at every reload (SIGHUP)."""

    def __init__(
        self, settings: Settings, load_settings: Callable[[], Settings], make_app: Callable[[Settings], WsgiApp]
    ) -> None:
        self._settings = settings
        self._load_settings = load_settings
        self._make_app = make_app
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn its settings."""
        for name, value in gunicorn_settings(self._settings).items():
            self.cfg.set(name, value)

    def reload(self) -> None:
        """Read rerank.yml again; where it is broken, or binds elsewhere, what is in force stays."""
        try:
            settings = self._load_settings()
        except ConfigError as error:
            _log.error("reload: %s; the settings in force stay", error)
        else:
            self._settings = self._at_the_same_address(settings)
        super().reload()

    def _at_the_same_address(self, settings: Settings) -> Settings:
        bind = self._settings.server.bind
        if settings.server.bind == bind:
            return settings
        _log.warning("reload: still listening at %s; server.bind takes effect after a restart", bind)
        return settings.model_copy(update={"server": settings.server.model_copy(update={"bind": bind})})

    def load(self) -> WsgiApp:
        """The application of one worker, made after the fork, so that every worker loads its own model."""
        return self._make_app(self._settings)


def gunicorn_settings(settings: Settings) -> dict[str, Any]:
    """What gunicorn must be told: its limits on lines, headers and methods are not ours to impose."""
    server = settings.server
    return {
        "bind": server.bind,
        "umask": _UMASK,
        "workers": server.workers,
        "threads": server.threads,
        "worker_class": relay_worker(server.client_timeout_s),
        "worker_connections": max(1000, 4 * server.threads),
        "graceful_timeout": server.graceful_timeout_s,
        "keepalive": _KEEPALIVE_S,
        "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,
        "limit_request_line": 0,
        "limit_request_fields": _HEADER_FIELDS,
        "limit_request_field_size": _HEADER_BYTES,
        "permit_unconventional_http_method": True,
        "header_map": "dangerous",
        "secure_scheme_headers": {},
        "proc_name": "es-rerank",
        "control_socket_disable": True,
        "child_exit": _forget_worker,
    }


def serve(load_settings: Callable[[], Settings], make_app: Callable[[Settings], WsgiApp]) -> None:
    """Serve until SIGTERM or SIGINT what `make_app` makes, called in each worker.

    Raises ConfigError where the settings are wrong, or the address is taken.
    """
    settings = load_settings()
    _check_address(settings.server.bind)
    folder = tempfile.mkdtemp(prefix="es-rerank-metrics-")
    # Set before anything imports prometheus_client, which looks once; for one worker too, as a reload may bring more.
    os.environ[_METRICS_FOLDER] = folder
    ours = os.getpid()
    try:
        Server(settings, load_settings, make_app).run()
    finally:
        if os.getpid() == ours:  # a worker that ends comes by here as well
            shutil.rmtree(folder, ignore_errors=True)


def _check_address(bind: str) -> None:
    """Try the address first: gunicorn would report a taken one five times and exit without saying what to change."""
    address = parse_address(bind)
    if isinstance(address, str) or "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:
        return
    host, port = address
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError("server.bind", bind, f"cannot listen there ({reason}); give another with --bind") from error


def _forget_worker(_arbiter: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
