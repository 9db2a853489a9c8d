"""What is counted of behaviour on its way, as a seam: Prometheus in the middleware, nothing where nobody looks."""

from __future__ import annotations

from typing import Protocol

from middleware.behaviour.cluster_writer import Fate


class EventWatch(Protocol):
    """Who counts. `fate`: see cluster_writer."""

    def count_received(self, accepted: int, refused: int) -> None:
        """Records that were acknowledged, and items that were not taken."""

    def count_sent(self, fate: Fate, records: int) -> None:
        """What became of records at the cluster."""

    def see_spool(self, stored_bytes: int, oldest_age_s: float) -> None:
        """What waits in this process' rooms."""
