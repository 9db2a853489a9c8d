"""The client libraries that the tests use, each installed once into the cache, and their scripts run with them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from middleware.config import cache_dir

SCRIPTS = Path(__file__).parent / "clients"
has_javascript = bool(shutil.which("node") and shutil.which("npm"))


@dataclass(frozen=True)
class Client:
    """One library: `requirement` for pip, or the folder with its package.json for npm; None: it is here already."""

    library: str
    version: str
    requirement: str | None = None

    def command(self, script: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
        """How to run `clients/<script>.py` or .cjs with this library: command and environment."""
        if self.library == "javascript":
            return ["node", str(SCRIPTS / f"{script}.cjs"), *arguments], {"NODE_PATH": str(self._with_npm())}
        path = {"PYTHONPATH": str(self._with_pip())} if self.requirement else {}
        return [sys.executable, "-W", "ignore", str(SCRIPTS / f"{script}.py"), self.library, *arguments], path

    def run(self, script: str, *arguments: str) -> Any:
        """What the script prints, read as JSON; AssertionError with its complaint where it fails."""
        command, environment = self.command(script, *arguments)
        return run(command, environment)

    def _with_pip(self) -> Path:
        assert self.requirement is not None
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", "."]
        return installed("python", self.requirement, [*pip, self.requirement])

    def _with_npm(self) -> Path:
        files = tuple(SCRIPTS / f"javascript{self.version}" / name for name in ("package.json", "package-lock.json"))
        key = "".join(file.read_text() for file in files)
        npm = ["npm", "ci", "--no-audit", "--no-fund"]
        return installed(f"javascript{self.version}", key, npm, files) / "node_modules"


CLIENTS = {
    "elasticsearch-py 7.17": Client("elasticsearch", "7.17", "elasticsearch==7.17.13"),
    "elasticsearch-py 8": Client("elasticsearch", "8", "elasticsearch==8.19.3"),
    "elasticsearch-py 9": Client("elasticsearch", "9"),
    "JavaScript 7": Client("javascript", "7"),
    "JavaScript 9": Client("javascript", "9"),
    "opensearch-py 2": Client("opensearchpy", "2", "opensearch-py==2.8.0"),
    "opensearch-py 3": Client("opensearchpy", "3", "opensearch-py==3.2.0"),
}


def installed(name: str, key: str, install: list[str], files: tuple[Path, ...] = ()) -> Path:
    """A cached folder that `install` was run in once; `key` changes when what it installs does."""
    folder = cache_dir() / "test-clients" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}-{os.getpid()}")
        unfinished.mkdir(parents=True)
        for file in files:
            shutil.copy(file, unfinished)
        subprocess.run(install, cwd=unfinished, check=True, capture_output=True, timeout=240)
        unfinished.rename(folder)
    return folder


def run(command: list[str], environment: dict[str, str]) -> Any:
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
