"""`oauth2` of a mapping as a typed noun: how a connection gets the access token that its requests carry (RFC 6749)."""

from __future__ import annotations

from engine.language.template import Text
from engine.mapping.keys import Holds, declare, plain
from engine.mapping.model import NamedTexts, TextOrValue, Value
from engine.mapping.word_schemas import TEXT_OR_NULL, defined
from engine.noun import Noun


class OAuth2(Noun):
    """How a connection gets the access token that its requests carry (RFC 6749)."""

    token_url: TextOrValue = declare(
        Holds.TEXT_OR_VALUE,
        "Where access tokens come from: `https://login.example.com/oauth/token`.",
        schema=defined("text_or_nothing"),
        scope="oauth2",
    )
    grant: str = plain(
        "client_credentials",
        about="How the vendor grants tokens.",
        schema={
            "enum": ["client_credentials", "refresh_token", None],
            "enumDescriptions": ["to the client itself (the default)", "for a refresh token", "the default"],
            "default": "client_credentials",
        },
    )
    client_id: Value = declare(
        Holds.VALUE,
        "The client's id: `settings.client_id`.",
        schema=defined("value_or_nothing"),
        scope="oauth2",
    )
    client_secret: str | None = declare(
        Holds.PATH,
        "The client's secret, a secret setting: `settings.client_secret`.",
        default=None,
        schema=defined("path_or_nothing"),
        scope="key",
    )
    refresh_token: str | None = declare(
        Holds.PATH,
        "For `grant: refresh_token`: the first refresh token, a secret setting.",
        default=None,
        schema=defined("path_or_nothing"),
        scope="key",
    )
    auth: str = plain(
        "header",
        about="Where the client's id and secret are sent.",
        schema={
            "enum": ["header", "body", None],
            "enumDescriptions": ["as HTTP basic authentication (the default)", "in the body", "the default"],
            "default": "header",
        },
    )
    scope: Text | None = declare(
        Holds.TEXT,
        "What the token is for: `scope: events.write users.write`.",
        default=None,
        schema=TEXT_OR_NULL,
        scope="oauth2",
    )
    audience: Text | None = declare(
        Holds.TEXT,
        "Whom the token is for: `audience: https://api.example.com`.",
        default=None,
        schema=TEXT_OR_NULL,
        scope="oauth2",
    )
    params: NamedTexts = declare(
        Holds.TEXT_BY_NAME,
        "Further parameters of the request for a token: `params: { resource: https://api.example.com }`.",
        default=(),
        schema={"type": ["object", "null"], "additionalProperties": {"$ref": "#/definitions/text_or_nothing"}},
        scope="oauth2",
    )
