"""Which connections can be led into the sandbox: those whose requests go to paths that a vendor there has.

No destination is known by name.  The same API may also be reached through an address of one's own, with more in
front of its paths; what the sandbox does not know is left off there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

from engine.compiler.runtime import Invalid
from engine.delivery import config
from engine.delivery.config import Configured, base_url, paths
from engine.delivery.shipping import SETTINGS_HINT
from engine.errors import UsageError
from engine.sandbox.lookup import emulated, locate, titles
from engine.sandbox.server import Sandbox

UNKNOWN = (
    "{name} cannot go into the sandbox: no vendor there has {path}. It emulates {titles}, and knows them by the paths "
    "of their APIs (docs/sandbox.md). Leave {name} out, look at its requests with engine run, or go without --sandbox."
)


def into_sandbox(stack: ExitStack, configured: Sequence[Configured]) -> tuple[list[Configured], Sandbox]:
    """Start a sandbox and lead all connections there; raises UsageError before, where one cannot be."""
    base_paths = [_base_path(each) for each in configured]
    sandbox = stack.enter_context(Sandbox())
    pairs = zip(configured, base_paths, strict=True)
    return [config.into_sandbox(each, sandbox.url, path) for each, path in pairs], sandbox


def _base_path(configured: Configured) -> str:
    """Give the path below which the sandbox has a connection's requests; raises UsageError where it has none."""
    try:
        whole = urlsplit(base_url(configured.connection)).path.rstrip("/")
    except Invalid as error:
        raise UsageError(f"{configured.name}: {error}. {SETTINGS_HINT}") from error
    found = paths(configured.connection)
    for base in _endings(whole):
        if not found or _has(base, [each.filled for each in found]):
            return base
    strange = next((each for each in found if locate(whole + each.filled)[0] is None), found[0])
    raise UsageError(UNKNOWN.format(name=configured.name, path=whole + strange.written, titles=", ".join(titles())))


def _endings(path: str) -> Iterator[str]:
    """Give a path, then the same without its first part, and so on."""
    while path:
        yield path
        _, slash, rest = path[1:].partition("/")
        path = slash + rest
    yield ""


def _has(base: str, known: list[str]) -> bool:
    return all(locate(base + path)[0] for path in known) and any(emulated(base + path) for path in known)
