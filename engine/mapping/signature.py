"""`signature` of a mapping as a typed noun: how requests are signed."""

from __future__ import annotations

from engine.language.template import Text
from engine.mapping.keys import Holds, declare, plain
from engine.mapping.word_schemas import TEXT_OR_NULL, defined
from engine.noun import Noun

BODY = Text(("body",))


class RequestSignature(Noun):
    """How a request is signed: an HMAC of its body in a header, made anew each time it is sent."""

    header: str = plain(
        about="The header that carries the signature: `X-Signature`.",
        schema=defined("header_or_nothing"),
    )
    secret: str = declare(
        Holds.PATH,
        "The key, a secret setting: `settings.signing_secret`.",
        default="",
        schema=defined("path_or_nothing"),
        scope="key",
    )
    hash: str = plain(
        "sha256",
        about="The hash function of the HMAC.",
        schema={"enum": ["sha256", "sha1", "md5", None], "default": "sha256"},
    )
    encoding: str = plain(
        "hex",
        about="How the signature is written.",
        schema={"enum": ["hex", "base64", None], "default": "hex"},
    )
    prefix: Text | None = declare(
        Holds.TEXT,
        "Text before the signature: `sha256=`. May hold `${sent_at}`.",
        default=None,
        schema=TEXT_OR_NULL,
        scope="signature prefix",
    )
    over: Text = declare(
        Holds.TEXT,
        "What is signed: `body` (the default), as it is before `compress`; `wire`, as it is after; or text with "
        "`${body}` and `${sent_at}`.",
        default=BODY,
        schema={**TEXT_OR_NULL, "default": "body"},
        scope="signed",
    )
    sent_at_header: str | None = plain(
        about="The header that carries `sent_at`, the time of sending in unix seconds: `X-Timestamp`.",
        schema=defined("header_or_nothing"),
    )

    @property
    def headers(self) -> dict[str, str]:
        """The headers that a signature sets, by the words that name them."""
        named = {"header": self.header, "sent_at_header": self.sent_at_header}
        return {word: name for word, name in named.items() if name is not None}
