"""`es-rerank serve`: gunicorn with settings that let a relay be a relay, graceful stop, and reload on SIGHUP."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from middleware.config import Settings
from middleware.errors import ConfigError
from middleware.front import Front

_KEEPALIVE_S = 75
_HEADER_FIELDS = 400
_HEADER_BYTES = 64 * 1024
_MULTIPROC = "PROMETHEUS_MULTIPROC_DIR"
_log = logging.getLogger(__name__)


class Server(BaseApplication):  # type: ignore[misc]
    """The gunicorn application. `load_settings` is called at start and again at every reload (SIGHUP)."""

    def __init__(self, load_settings: Callable[[], Settings]) -> None:
        self._load_settings = load_settings
        self._settings = load_settings()
        self._loaded_once = False
        super().__init__()

    def load_config(self) -> None:
        """Settings for gunicorn; a rerank.yml that broke since the start is reported and the old one stays."""
        if self._loaded_once:
            try:
                self._settings = self._load_settings()
            except ConfigError as error:
                _log.error("reload: %s; the settings in force stay", error)
        self._loaded_once = True
        for name, value in gunicorn_settings(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Front:
        """The application of one worker, made after the fork, so that every worker loads its own model."""
        from middleware.app import create_app

        return create_app(self._settings)


def gunicorn_settings(settings: Settings) -> dict[str, Any]:
    """What gunicorn must be told: its limits on lines, headers and methods are not ours to impose."""
    server = settings.server
    return {
        "bind": server.bind,
        "workers": server.workers,
        "threads": server.threads,
        "worker_class": "middleware.relay.RelayWorker",
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


def serve(load_settings: Callable[[], Settings]) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError where the settings are wrong at start."""
    settings = load_settings()
    metrics_folder = None
    if settings.server.workers > 1 and _MULTIPROC not in os.environ:
        metrics_folder = os.environ[_MULTIPROC] = tempfile.mkdtemp(prefix="es-rerank-metrics-")
    try:
        Server(load_settings).run()
    finally:
        if metrics_folder:
            shutil.rmtree(metrics_folder, ignore_errors=True)


def _forget_worker(_arbiter: Any, worker: Any) -> None:
    if _MULTIPROC in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
