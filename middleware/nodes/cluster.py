"""Several embedded nodes as one cluster on this machine, since shards, replicas and upgrades show only there."""

from __future__ import annotations

from dataclasses import dataclass

from middleware.nodes.health import wait_until_healthy
from middleware.nodes.launch import (
    START_TIMEOUT_S,
    Node,
    StoppedAtTheEnd,
    as_node,
    find_free_port,
    install,
    launch_node,
)
from middleware.nodes.provision import Peers
from middleware.nodes.records import Record


@dataclass(frozen=True, slots=True)
class NodeCluster(StoppedAtTheEnd):
    """Running nodes that know each other; as a context manager all of them are stopped at the end."""

    nodes: tuple[Node, ...]

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def stop(self) -> None:
        """Stop every node; without a word where one runs no more."""
        for node in self.nodes:
            node.stop()


def start_cluster(
    engine: str = "elasticsearch",
    n_nodes: int = 2,
    heap: str = "384m",
    *,
    timeout_s: float = START_TIMEOUT_S,
    die_with_us: bool = False,
    quiet: bool = False,
) -> NodeCluster:
    """Start `n_nodes` nodes with temporary data on free ports, all at once, and return when each has joined.

    Raises CommandError or ConfigError, with the remedy; then none is left running.
    """
    installed = install(engine, quiet=quiet)
    ports: list[int] = []
    while len(ports) < 2 * n_nodes:
        ports.append(find_free_port(ports))
    http_ports, transport_ports = ports[:n_nodes], tuple(ports[n_nodes:])
    records: list[Record] = []
    try:
        for port, transport_port in zip(http_ports, transport_ports, strict=True):
            peers = Peers(transport_port, transport_ports, http_ports[0])
            records.append(launch_node(installed, port, None, heap, die_with_us=die_with_us, peers=peers))
        for record in records:
            wait_until_healthy(record, timeout_s, quiet=quiet)
    except BaseException:
        NodeCluster(tuple(as_node(record) for record in records)).stop()
        raise
    return NodeCluster(tuple(as_node(record) for record in records))
