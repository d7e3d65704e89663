"""`oauth2` -> a function that returns what a connection asks for its access tokens with; only settings are read."""

from __future__ import annotations

from engine.compiler.emit.requests import named_text
from engine.compiler.emit.texts import emit_base_url
from engine.compiler.writer import Module, Writer
from engine.language.template import Text
from engine.mapping.model import OAuth2, PathValue, TextOrValue, Value
from engine.records import Place

PLACE: Place = ("http", "oauth2")


def emit_oauth2(module: Module, oauth2: OAuth2) -> str:
    """Write the function; it returns texts by the words of `oauth2`, None where one has no value."""
    writer = Writer(module, {"settings": "settings"})
    url = emit_base_url(writer, oauth2.token_url, (*PLACE, "token_url"))
    entries = [f"'token_url': {url}", f"'grant': {oauth2.grant!r}", f"'auth': {oauth2.auth!r}"]
    paths = {"client_secret": oauth2.client_secret, "refresh_token": oauth2.refresh_token}
    texts: dict[str, Text | Value | None] = {
        "client_id": oauth2.client_id,
        **{word: None if path is None else PathValue((*PLACE, word), path) for word, path in paths.items()},
        "scope": oauth2.scope,
        "audience": oauth2.audience,
    }
    entries += [f"{word!r}: {_code(writer, text, (*PLACE, word))}" for word, text in texts.items()]
    params = [f"{writer.names.literal(name)}: {_code(writer, text, (*PLACE, 'params', name))}"
              for name, text in oauth2.params]  # fmt: skip
    entries.append(f"'params': {{{', '.join(params)}}}")
    writer.lines.add(f"return {{{', '.join(entries)}}}")
    name = module.names.fresh("oauth2")
    with module.functions.block(f"def {name}(reports):"):
        module.functions.extend(writer.body())
    return name


def _code(writer: Writer, text: TextOrValue | Value | None, place: Place) -> str:
    return "None" if text is None else named_text(writer, text, place)
