"""A shop for everything offline: it stands where the settings say, and trusts whom the proxy trusts."""

from __future__ import annotations

from pathlib import Path

import pytest

from middleware.catalog.client import Access
from middleware.config import Settings
from middleware.config.network import UpstreamSettings
from middleware.learning.shop import open_shop


@pytest.mark.parametrize("insecure", [True, False])
def test_a_shop_trusts_whom_the_proxy_trusts_whoever_opens_it(insecure):
    upstream = {"urls": ["https://localhost:9200"], "insecure": insecure}
    shop = open_shop(Settings.model_validate({"upstream": upstream}), Access("anna", "secret"), None, None, 10)
    (node,) = shop.client.transport.node_pool.all()
    assert node.config.verify_certs is not insecure
    assert shop.index == "products"


def test_access_keeps_who_asks_and_takes_over_whom_to_trust():
    authority = Path("ca.pem")
    upstream = UpstreamSettings.model_construct(ca_file=authority, insecure=True)
    assert Access("anna", "secret").trusting(upstream) == Access("anna", "secret", None, authority, True)
