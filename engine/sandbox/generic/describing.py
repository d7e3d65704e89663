"""From a connection to the description of its vendor, and the connection that sends there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from urllib.parse import urlsplit

from engine.delivery.configured_connection import ConfiguredConnection, base_url, rebased
from engine.plan import Connection
from engine.sandbox.generic.bodies import Bodies
from engine.sandbox.generic.replies import Replies
from engine.sandbox.generic.routes import routes_of
from engine.sandbox.generic.tokens import token_path
from engine.sandbox.generic.vendor import Description

SUFFIX = "_own"
"""Added to a name that another vendor of the sandbox has."""


def describe(name: str, connection: Connection, taken: Collection[str]) -> Description:
    """Describe the vendor of a connection, by a name that is not `taken`; raises Invalid for settings without a URL.

    A base URL that is a credential, such as that of a webhook, is left out of the vendor's paths: they are shown.
    """
    while name in taken:
        name += SUFFIX
    url = base_url(connection)
    base_path = "" if connection.secrets.mask(url) != url else urlsplit(url).path.rstrip("/")
    return Description(
        name=name,
        connection=connection,
        base_path=base_path,
        token_path=token_path(connection),
        routes=tuple(routes_of(connection, base_path)),
        replies=Replies(connection),
        bodies=Bodies(connection),
    )


def into_vendor(configured: ConfiguredConnection, url: str, description: Description) -> ConfiguredConnection:
    """Redirect a connection to the vendor that was made from it, in the sandbox at `url`, without a rate limit."""
    own = f"{url}/{description.name}"
    token_url = own + description.token_path if description.token_path else None
    connection = rebased(configured.connection, own + description.base_path, token_url)
    return replace(configured, connection=connection, rate_limit="")
