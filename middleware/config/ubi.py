"""The section of rerank.yml about `ext.ubi` in a search: who answers it, we or the cluster's plugin."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from middleware.config.section import Section


class UbiSettings(Section):
    """`ext.ubi` in a search, as OpenSearch's plugin User Behavior Insights understands it."""

    mode: Literal["ours", "cluster"] = Field(
        "ours",
        description="ours: we record the searches, on any cluster; its plugin would record the window in its own order "
        "and not the page that was shown. cluster: `ext.ubi` is left to the plugin, which the cluster must have.",
    )
