"""Launch without a node: records, recycled pids, ports, heaps, and what the logs are made to tell."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from middleware.errors import CommandError, ConfigError
from middleware.nodes.commands import choose_ports
from middleware.nodes.engines import ELASTICSEARCH, find_engine
from middleware.nodes.health import pick_telling, wait_until_healthy
from middleware.nodes.launch import Node, check_heap, check_port, find_free_port
from middleware.nodes.process import command_line, end_process
from middleware.nodes.provision import NodeFolders
from middleware.nodes.records import (
    Record,
    drop_record,
    identify_process,
    is_alive,
    read_record,
    read_records,
    write_record,
)
from middleware.nodes.supply import Java


def make_record(pid: int, started: str, port: int = 9200, run_dir: str = "/nowhere") -> Record:
    return Record("elasticsearch", "7.17.29", port, pid, started, run_dir, "/nowhere/data", False)


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "300"])
    yield process
    process.kill()
    process.wait()


def test_records_come_back_as_they_were_written_in_the_order_of_ports(tmp_path) -> None:
    records = [make_record(1, "a", port) for port in (10000, 9200, 9201)]
    for record in records:
        write_record(tmp_path, record)
    assert [record.port for record in read_records(tmp_path)] == [9200, 9201, 10000]
    assert read_record(tmp_path, 9201) == records[2]
    drop_record(tmp_path, 9201)
    assert read_record(tmp_path, 9201) is None
    drop_record(tmp_path, 9201)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": 9200}'])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path, text: str) -> None:
    (tmp_path / "9200.json").write_text(text)
    assert read_record(tmp_path, 9200) is None
    assert list(read_records(tmp_path)) == []


def test_a_process_is_alive_only_under_its_own_start_time(sleeper) -> None:
    started = identify_process(sleeper.pid)
    assert started is not None
    assert is_alive(make_record(sleeper.pid, started))
    assert not is_alive(make_record(sleeper.pid, started + "0"))


def test_a_zombie_is_not_alive(sleeper) -> None:
    started = identify_process(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(make_record(sleeper.pid, started))


def test_a_recycled_pid_is_never_killed(sleeper) -> None:
    end_process(make_record(sleeper.pid, "the start time of another process"))
    assert sleeper.poll() is None


def test_a_process_is_ended_by_sigterm(sleeper) -> None:
    end_process(make_record(sleeper.pid, identify_process(sleeper.pid)))
    assert sleeper.wait() == -signal.SIGTERM


def test_a_process_deaf_to_sigterm_is_ended_by_sigkill(monkeypatch) -> None:
    monkeypatch.setattr("middleware.nodes.process._TERMINATE_TIMEOUT_S", 0.3)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(300)"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    process.stdout.readline()
    end_process(make_record(process.pid, identify_process(process.pid)))
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def test_a_port_that_another_program_holds_is_named_with_the_remedy(tmp_path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(CommandError, match=rf"^port {port}: .*another program listens there; .*--port$"):
            check_port(port, tmp_path)
    check_port(port, tmp_path)


def test_a_port_where_a_node_of_ours_runs_is_named_with_the_way_to_stop_it(tmp_path, sleeper) -> None:
    port = find_free_port()
    write_record(tmp_path, make_record(sleeper.pid, identify_process(sleeper.pid), port))
    with pytest.raises(CommandError, match=rf"already runs there; stop it with `es-rerank node stop --port {port}`"):
        check_port(port, tmp_path)


def test_a_free_port_is_none_of_those_spoken_for() -> None:
    port = find_free_port(spoken_for=range(1, 40000))
    assert port >= 40000


@pytest.mark.parametrize("heap", ["512m", "1g", "2G", "4096M"])
def test_a_heap_size_passes(heap: str) -> None:
    check_heap(heap)


@pytest.mark.parametrize("heap", ["", "5", "0m", "1.5g", "512 m", "512m -XX:+X", "-1g"])
def test_what_is_no_heap_size_is_refused(heap: str) -> None:
    with pytest.raises(ConfigError, match="--heap"):
        check_heap(heap)


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="choose one of elasticsearch, opensearch"):
        find_engine("solr")


def test_the_command_line_has_the_heap_the_folders_and_what_the_engine_needs() -> None:
    folders = NodeFolders(Path("/run/9200"), Path("/data"))
    command = command_line(ELASTICSEARCH, Java(Path("/java"), 21), Path("/home"), folders, "512m")
    assert command[0] == "/java/bin/java"
    assert command[-3:] == ["-cp", "/home/lib/*", "org.elasticsearch.bootstrap.Elasticsearch"]
    wanted = {"-Xmx512m", "-Des.path.home=/home", "-Des.path.conf=/run/9200/config", "-Djava.security.manager=allow"}
    assert wanted <= set(command)


def test_only_a_node_with_temporary_documents_does_without_the_optimising_compiler() -> None:
    flags = {
        data: command_line(
            ELASTICSEARCH, Java(Path("/java"), 21), Path("/home"), NodeFolders(Path("/run"), Path(data)), "1g"
        )
        for data in ("/run/data", "/data")
    }
    assert "-XX:TieredStopAtLevel=1" in flags["/run/data"]
    assert "-XX:TieredStopAtLevel=1" not in flags["/data"]


def test_only_lines_that_tell_of_trouble_are_shown_each_once() -> None:
    lines = [
        "[2026-01-01][INFO ][o.e.n.Node] JVM arguments [-XX:+ExitOnOutOfMemoryError: x]",
        "[2026-01-01][ERROR][o.e.b.Bootstrap] Exception",
        "org.example.BindException: Permission denied",
        "\tat org.example.Main.main(Main.java:1)",
        "Caused by: org.example.BindException: Permission denied",
        "org.example.BindException: Permission denied",
    ]
    assert pick_telling(lines) == [lines[1], lines[2], lines[4]]
    assert pick_telling(["one", "", "two"], n_shown=1) == ["two"]


def test_a_node_that_ends_while_starting_is_explained_by_its_logs(tmp_path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "console.log").write_text("Error: Could not find or load main class\n")
    record = make_record(os.getpid(), "another process", find_free_port(), str(tmp_path))
    with pytest.raises(CommandError, match=r"ended while starting; its last log lines:\n  Error: Could not find"):
        wait_until_healthy(record, 30, quiet=True)


def make_node(port: int, *, temporary: bool = False) -> Node:
    return Node("elasticsearch", "7.17.29", port, 1, Path("/data"), temporary)


def test_stop_takes_the_only_node_and_leaves_those_of_test_sessions_alone() -> None:
    nodes = [make_node(9200), make_node(40000, temporary=True)]
    assert choose_ports(nodes, None, every=False) == [9200]
    assert choose_ports(nodes, 40000, every=False) == [40000]
    assert choose_ports(nodes, None, every=True) == [9200, 40000]


@pytest.mark.parametrize(
    ("ports", "port", "message"),
    [
        ([], None, "no node of ours runs;"),
        ([], 9200, "no node of ours runs on port 9200;"),
        ([9200, 9201], None, "several nodes run, on ports 9200, 9201: give --port or --all"),
    ],
)
def test_stop_asks_when_the_choice_is_not_clear(ports: list[int], port: int | None, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        choose_ports([make_node(n) for n in ports], port, every=False)


def test_a_node_is_a_frozen_value_with_its_address() -> None:
    node = make_node(9200)
    assert node.url == "http://127.0.0.1:9200"
    with pytest.raises(dataclasses.FrozenInstanceError):
        node.port = 1
