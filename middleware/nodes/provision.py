"""Provision: jars laid out as the distribution does, and one node's own folder with configuration, logs and scratch."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from middleware.errors import CommandError
from middleware.nodes.account import Account, find_barrier, give
from middleware.nodes.engines import Engine, Module
from middleware.nodes.lock import Jar
from middleware.nodes.supply import Java, hold_lock


@dataclass(frozen=True, slots=True)
class NodeFolders:
    """Where one node lives; `run` holds config, logs, tmp, and data too if temporary; every start makes it anew."""

    run: Path
    data: Path

    @property
    def config(self) -> Path:
        return self.run / "config"

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def tmp(self) -> Path:
        return self.run / "tmp"

    @property
    def are_temporary(self) -> bool:
        return self.data == self.run / "data"


def lay_out(engine: Engine, files: Mapping[Jar, Path], root: Path) -> Path:
    """The engine's home under `root` (lib/, modules/<name>/), built once and moved into place whole.

    Its name ends in a digest of all that goes in: other jars make another home, never a mixture.
    """
    home = root / f"{engine.name}-{engine.version}-{digest_layout(engine, files)}"
    _build_once(home, lambda building: _build_home(engine, files, building))
    return home


def _build_once(target: Path, build: Callable[[Path], object]) -> None:
    """Build a folder beside `target` and move it there whole, unless `target` exists."""
    with hold_lock(target.parent / ".building.lock"):
        for left_by_a_killed_run in target.parent.glob(".building-*"):
            shutil.rmtree(left_by_a_killed_run, ignore_errors=True)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as temporary:
                building = Path(temporary) / target.name
                build(building)
                _open_to_all(building)
                building.rename(target)


def digest_layout(engine: Engine, jars: Iterable[Jar]) -> str:
    """Twelve hex digits that change with any jar, module descriptor or policy."""
    lines = [f"{jar.folder}/{jar.file_name} {jar.sha256}" for jar in jars]
    lines += [f"{describe_module(engine, module)}{module.policy}" for module in engine.modules]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def _build_home(engine: Engine, files: Mapping[Jar, Path], home: Path) -> None:
    for jar, file in files.items():
        _place(file, home / jar.folder / jar.file_name)
    for module in engine.modules:
        folder = home / "modules" / module.name
        (folder / "plugin-descriptor.properties").write_text(describe_module(engine, module), encoding="utf-8")
        if module.policy:
            (folder / "plugin-security.policy").write_text(module.policy, encoding="utf-8")
    for empty in ("bin", "plugins"):
        (home / empty).mkdir()


def describe_module(engine: Engine, module: Module) -> str:
    """The module's plugin-descriptor.properties."""
    lines = {
        "name": module.name,
        "description": module.name,
        "version": engine.version,
        f"{engine.name}.version": engine.version,
        "java.version": "1.8" if engine.name == "elasticsearch" else str(engine.java_min),
        "classname": module.plugin_class,
        "has.native.controller": "false",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _place(source: Path, target: Path) -> None:
    """Hard-link where the file system allows it, else copy: symbolic links would break the engine's code bases."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _open_to_all(top: Path) -> None:
    for folder, _, files in os.walk(top):
        os.chmod(folder, 0o755)
        for path in (Path(folder, name) for name in files):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o444 != 0o444:
                path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def place_java(java: Java, root: Path, account: Account) -> Java:
    """`java` itself, or where `account` cannot reach it, a copy under `root` made once."""
    needed = (java.executable, java.home / "lib" / "modules")
    if all(find_barrier(path, account) is None for path in needed):
        return java
    stamp = int((java.home / "release").stat().st_mtime) if (java.home / "release").exists() else 0
    home = root / f"java-{java.major}-{stamp}"
    _build_once(home, lambda building: shutil.copytree(java.home, building))
    return Java(home, java.major)


def prepare_folders(run: Path, data: Path | None, account: Account) -> NodeFolders:
    """Make the node's folders, with temporary data where `data` is None, and hand them to `account`.

    Raises CommandError where the data folder cannot be the account's own.
    """
    shutil.rmtree(run, ignore_errors=True)
    folders = NodeFolders(run, data.absolute() if data else run / "data")
    for folder in (folders.config, folders.logs, folders.tmp):
        folder.mkdir(parents=True)
    _open_to_all(run)
    _claim_data(folders.data, account)
    return folders


def _claim_data(data: Path, account: Account) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--data {data}: cannot be made ({error.strerror}); choose another folder") from error
    barrier = find_barrier(data.parent, account)
    if barrier is not None:
        raise CommandError(
            f"--data {data}: started as root, the node runs as user {account.name!r}, who may not enter {barrier}; "
            f"choose a folder all users can reach, such as one under /var/lib or /var/tmp"
        )
    if not account.switch or data.stat().st_uid == account.uid:
        return
    if any(data.iterdir()):
        raise CommandError(
            f"--data {data}: is not empty and not of user {account.name!r}, as whom the node runs when started as "
            f"root; choose an empty folder, or chown this one"
        )
    give(data, account)


@dataclass(frozen=True, slots=True)
class Peers:
    """What a node must know to form a cluster with others: its own transport port, and all members by HTTP port."""

    transport_port: int
    transport_ports: tuple[int, ...]
    first_port: int

    def settings(self, engine: Engine) -> dict[str, str]:
        """Seeds, and the one node that makes the cluster; the others join it, so that there are never two."""
        seeds = ", ".join(f'"127.0.0.1:{port}"' for port in self.transport_ports)
        return {
            "transport.port": str(self.transport_port),
            "discovery.seed_hosts": f"[{seeds}]",
            engine.bootstrap_setting: _node_name(self.first_port),
        }


def configure(engine: Engine, folders: NodeFolders, port: int, account: Account, peers: Peers | None = None) -> None:
    """Write the configuration: alone or with `peers`, this machine only, no disk watermarks; then hand it over."""
    settings = {
        "cluster.name": "es-rerank",
        "node.name": _node_name(port),
        **(peers.settings(engine) if peers else {"discovery.type": "single-node"}),
        "network.host": "127.0.0.1",
        "http.port": str(port),
        "path.data": _quote(folders.data),
        "path.logs": _quote(folders.logs),
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        **engine.settings,
    }
    text = "".join(f"{key}: {value}\n" for key, value in settings.items())
    (folders.config / f"{engine.name}.yml").write_text(text, encoding="utf-8")
    (folders.config / "log4j2.properties").write_text(_logging(engine), encoding="utf-8")
    give(folders.run, account)


def _node_name(port: int) -> str:
    return f"es-rerank-{port}"


def _quote(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _logging(engine: Engine) -> str:
    log = f"${{sys:{engine.property_prefix}.logs.base_path}}/node"
    return f"""status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}.log
appender.file.filePattern = {log}-%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = [%d{{ISO8601}}][%-5p][%-25c{{1.}}] %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 16MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
logger.deprecation.name = org.{engine.name}.deprecation
logger.deprecation.level = warn
logger.deprecation.additivity = false
logger.deprecation.appenderRef.header_warning.ref = header_warning
appender.header_warning.type = HeaderWarningAppender
appender.header_warning.name = header_warning
"""
