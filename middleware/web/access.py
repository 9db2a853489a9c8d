"""Who may see what is known of a user, beside what the cluster itself allows: whoever has the secret."""

from __future__ import annotations

import secrets

from middleware.config import Settings
from middleware.errors import AccessDenied, NotAuthenticated
from middleware.message import Request


def check_token(asked: Request, settings: Settings) -> None:
    """Raises NotAuthenticated or AccessDenied where `privacy.admin_token` is set and the request lacks it."""
    wanted = settings.privacy.admin_token
    if wanted is None:
        return
    name = settings.headers.admin_token
    given = asked.header(name)
    if given is None:
        raise NotAuthenticated(f"missing header [{name}], which this address asks for (privacy.admin_token)")
    if not secrets.compare_digest(given.encode("utf-8", "replace"), wanted.get_secret_value().encode()):
        raise AccessDenied(f"the header [{name}] is not the secret of privacy.admin_token")
