"""Provision: the layout, the configuration, and who may reach and own what."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
import yaml

from middleware.errors import CommandError
from middleware.nodes.account import Account, find_barrier
from middleware.nodes.engines import ELASTICSEARCH, OPENSEARCH
from middleware.nodes.lock import Jar
from middleware.nodes.provision import Peers, configure, digest_layout, lay_out, place_java, prepare_folders
from middleware.nodes.supply import Java

OURSELVES = Account("us", os.geteuid(), os.getegid(), switch=False)
STRANGER = Account("stranger", 54321, 54321, switch=True)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands files to another user")


def make_files(folder: Path) -> dict[Jar, Path]:
    """One jar for lib/ and one for every module of Elasticsearch."""
    files = {}
    for place in ["lib", *(f"modules/{module.name}" for module in ELASTICSEARCH.modules)]:
        name = place.replace("/", "-")
        path = folder / f"{name}-1.jar"
        path.write_text(name)
        files[Jar(f"g:{name}:1", place, hashlib.sha256(name.encode()).hexdigest(), len(name))] = path
    return files


def test_the_home_is_laid_out_as_the_distribution_does(tmp_path) -> None:
    home = lay_out(ELASTICSEARCH, make_files(tmp_path), tmp_path / "root")
    assert (home / "lib" / "lib-1.jar").read_text() == "lib"
    for module in ELASTICSEARCH.modules:
        descriptor = (home / "modules" / module.name / "plugin-descriptor.properties").read_text()
        assert f"classname={module.plugin_class}\n" in descriptor
        assert f"elasticsearch.version={ELASTICSEARCH.version}\n" in descriptor
    policy = (home / "modules" / "transport-netty4" / "plugin-security.policy").read_text()
    assert 'permission java.net.SocketPermission "*", "accept,connect";' in policy
    assert not (home / "modules" / "reindex" / "plugin-security.policy").exists()


def test_the_home_is_made_once_and_nothing_half_made_stays(tmp_path) -> None:
    files = make_files(tmp_path)
    home = lay_out(ELASTICSEARCH, files, tmp_path / "root")
    (home / "mark").touch()
    assert lay_out(ELASTICSEARCH, files, tmp_path / "root") == home
    assert (home / "mark").exists()
    assert not list((tmp_path / "root").glob(".building-*"))


def test_a_layout_that_fails_half_way_leaves_no_home_behind(tmp_path) -> None:
    files = make_files(tmp_path)
    next(iter(files.values())).unlink()
    with pytest.raises(FileNotFoundError):
        lay_out(ELASTICSEARCH, files, tmp_path / "root")
    assert [path.name for path in (tmp_path / "root").iterdir()] == [".building.lock"]


def test_what_a_killed_run_left_half_built_is_cleared_away(tmp_path) -> None:
    (tmp_path / "root" / ".building-killed" / "lib").mkdir(parents=True)
    lay_out(ELASTICSEARCH, make_files(tmp_path), tmp_path / "root")
    assert not list((tmp_path / "root").glob(".building-*"))


def test_other_jars_make_another_home(tmp_path) -> None:
    files = make_files(tmp_path)
    other = [Jar(jar.coordinate, jar.folder, "0" * 64, jar.n_bytes) for jar in files]
    assert digest_layout(ELASTICSEARCH, files) != digest_layout(ELASTICSEARCH, other)
    assert digest_layout(ELASTICSEARCH, files) == digest_layout(ELASTICSEARCH, reversed(list(files)))


@pytest.mark.parametrize("engine", [ELASTICSEARCH, OPENSEARCH], ids=lambda engine: engine.name)
def test_the_configuration_keeps_the_node_alone_and_on_this_machine(tmp_path, engine) -> None:
    folders = prepare_folders(tmp_path / "run", tmp_path / "it's data", OURSELVES)
    configure(engine, folders, 9234, OURSELVES)
    settings = yaml.safe_load((folders.config / f"{engine.name}.yml").read_text())
    assert settings["discovery.type"] == "single-node"
    assert settings["network.host"] == "127.0.0.1"
    assert settings["http.port"] == 9234
    assert settings["path.data"] == str(tmp_path / "it's data")
    assert settings["cluster.routing.allocation.disk.threshold_enabled"] is False
    assert f"{engine.property_prefix}.logs.base_path" in (folders.config / "log4j2.properties").read_text()


def test_every_start_makes_the_run_folder_anew_but_leaves_the_documents(tmp_path) -> None:
    folders = prepare_folders(tmp_path / "run", tmp_path / "data", OURSELVES)
    (folders.logs / "old.log").touch()
    (folders.data / "document").touch()
    prepare_folders(tmp_path / "run", tmp_path / "data", OURSELVES)
    assert not (folders.logs / "old.log").exists()
    assert (folders.data / "document").exists()
    assert not folders.are_temporary


def test_without_a_data_folder_the_documents_lie_with_the_run(tmp_path) -> None:
    folders = prepare_folders(tmp_path / "run", None, OURSELVES)
    assert folders.data == tmp_path / "run" / "data"
    assert folders.are_temporary


def test_the_barrier_is_the_first_folder_that_the_account_may_not_enter(tmp_path) -> None:
    tmp_path = tmp_path.resolve()
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        if not stat.S_IMODE(folder.stat().st_mode) & 0o001:
            assert find_barrier(inner, STRANGER) is not None
            return  # pytest's own folder is closed already
    (tmp_path / "closed").chmod(0o700)
    assert find_barrier(inner, STRANGER) == tmp_path / "closed"


def test_an_account_that_needs_no_switch_meets_no_barrier(tmp_path) -> None:
    assert find_barrier(tmp_path, OURSELVES) is None


@pytest.fixture
def open_folder():
    """A folder every user may enter, which pytest's are not."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@needs_root
def test_as_root_the_node_gets_folders_of_its_own(open_folder) -> None:
    folders = prepare_folders(open_folder / "run", open_folder / "data", STRANGER)
    configure(ELASTICSEARCH, folders, 9234, STRANGER)
    for path in (folders.data, folders.logs, folders.tmp, folders.config / "elasticsearch.yml"):
        assert path.stat().st_uid == STRANGER.uid


@needs_root
def test_as_root_a_data_folder_behind_a_closed_door_is_refused_with_the_door_named(open_folder) -> None:
    (open_folder / "closed").mkdir(mode=0o700)
    with pytest.raises(CommandError, match=rf"who may not enter {open_folder}/closed;"):
        prepare_folders(open_folder / "run", open_folder / "closed" / "data", STRANGER)


@needs_root
def test_as_root_somebody_elses_full_folder_is_not_taken(open_folder) -> None:
    (open_folder / "data").mkdir()
    (open_folder / "data" / "letter").touch()
    with pytest.raises(CommandError, match="is not empty and not of user 'stranger'"):
        prepare_folders(open_folder / "run", open_folder / "data", STRANGER)
    assert (open_folder / "data" / "letter").stat().st_uid == 0


@needs_root
def test_a_java_out_of_reach_is_copied_to_where_the_node_can_read_it(open_folder) -> None:
    home = open_folder / "closed" / "java"
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    (home / "lib" / "modules").write_text("classes")
    (home / "bin" / "java").write_text("#!/bin/sh\n")
    (home / "bin" / "java").chmod(0o700)
    (open_folder / "closed").chmod(0o700)
    (open_folder / "root").mkdir()
    placed = place_java(Java(home, 21), open_folder / "root", STRANGER)
    assert placed.home.is_relative_to(open_folder / "root")
    assert find_barrier(placed.executable, STRANGER) is None
    assert stat.S_IMODE(placed.executable.stat().st_mode) == 0o755
    assert stat.S_IMODE((home / "bin" / "java").stat().st_mode) == 0o700
    assert place_java(Java(home, 21), open_folder / "root", STRANGER) == placed


def test_a_java_within_reach_is_used_where_it_is(tmp_path) -> None:
    java = Java(tmp_path, 21)
    assert place_java(java, tmp_path / "root", OURSELVES) == java


@pytest.mark.parametrize("engine", [ELASTICSEARCH, OPENSEARCH], ids=lambda engine: engine.name)
def test_a_node_with_peers_seeks_them_and_only_the_first_makes_the_cluster(tmp_path, engine) -> None:
    folders = prepare_folders(tmp_path / "run", None, OURSELVES)
    configure(engine, folders, 9235, OURSELVES, Peers(9301, (9300, 9301), 9234))
    settings = yaml.safe_load((folders.config / f"{engine.name}.yml").read_text())
    assert "discovery.type" not in settings
    assert settings["transport.port"] == 9301
    assert settings["discovery.seed_hosts"] == ["127.0.0.1:9300", "127.0.0.1:9301"]
    assert (settings["node.name"], settings[engine.bootstrap_setting]) == ("es-rerank-9235", "es-rerank-9234")
