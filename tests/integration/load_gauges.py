"""What a process holds while it serves: sampled every second, and told by quarters of the time."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from statistics import median

import psutil
from http_call import call

MIB = 1024 * 1024
INTERVAL_S = 1.0
NAMES = ("rss_mib", "pss_mib", "threads", "other_fds", "upstream", "clients", "waiting", "queue_limit")
Sample = dict[str, float]


def look(worker: psutil.Process, url: str, upstream_port: int) -> Sample:
    """What the worker holds now. `upstream`: connections to the node; `other_fds`: what is no TCP connection at all."""
    port = int(url.rpartition(":")[2])
    connections = worker.net_connections(kind="tcp")
    upstream = [each for each in connections if each.raddr and each.raddr.port == upstream_port]
    clients = [each for each in connections if each.raddr and each.laddr.port == port]
    exposed = call(f"{url}/_rerank/metrics", timeout=20).body.decode()
    return {
        "rss_mib": worker.memory_info().rss / MIB,
        "pss_mib": worker.memory_full_info().pss / MIB,
        "threads": worker.num_threads(),
        "other_fds": worker.num_fds() - len(upstream) - len(clients),
        "upstream": len(upstream),
        "clients": len(clients),
        "waiting": read_gauge(exposed, "es_rerank_engine_waiting"),
        "queue_limit": read_gauge(exposed, "es_rerank_engine_queue_limit"),
    }


def read_gauge(exposed: str, name: str) -> float:
    """A gauge's value, summed over the models."""
    return sum(float(value) for value in re.findall(rf"^{name}{{.*}} (\S+)$", exposed, re.MULTILINE))


class Sampler:
    """Samples in a thread of its own until it is stopped; `failed` is what ended it before."""

    def __init__(self, worker: psutil.Process, url: str, upstream_port: int, seconds: float) -> None:
        self.samples: list[tuple[float, Sample]] = []
        self.failed: BaseException | None = None
        self._what = (worker, url, upstream_port)
        self._seconds = seconds
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(INTERVAL_S):
                self.samples.append((time.monotonic() - self._started, look(*self._what)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            self.failed = error

    def quarter(self, name: str, number: int) -> list[float]:
        """All samples of one gauge in a quarter (0 to 3) of the time."""
        ends = [self._seconds * (number + part) / 4 for part in (0, 1)]
        return [sample[name] for at, sample in self.samples if ends[0] <= at < ends[1]]

    def every(self, name: str) -> list[float]:
        return [sample[name] for _, sample in self.samples]

    def table(self) -> str:
        """Smallest / median / largest of each gauge in each quarter, in Markdown."""
        lines = ["| gauge | first quarter | second | third | last |", "|---|---|---|---|---|"]
        for name in NAMES:
            cells = (_spread(self.quarter(name, number)) for number in range(4))
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.6g}" for value in (min(values), median(values), max(values))) if values else "none"
