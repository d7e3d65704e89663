"""A version of a connection's mapping, with what plans, sends and judges by it.

A worker has one that is current.  An event that is half done under an older one is finished under that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

from engine.delivery.configured_connection import ConfiguredConnection
from engine.delivery.sending.batching import PickRules
from engine.delivery.sending.outgoing import pick_rules
from engine.delivery.sending.recorded import AttemptRecorder
from engine.plan import Connection
from engine.responses import ResponseReader


class Version(NamedTuple):
    """A connection under one version of its mapping, which `digest` identifies; `older` if it is not the current one.

    `responses` reads what vendors answer, `rules` say what goes into a batch, `recorder` says what is kept of requests.
    """

    connection: Connection
    digest: str
    responses: ResponseReader
    rules: PickRules
    recorder: AttemptRecorder
    older: bool = False

    @classmethod
    def of(cls, configured: ConfiguredConnection, clock: Callable[[], float], *, older: bool = False) -> Self:
        """Return the version of a connection; `clock` returns Unix seconds."""
        connection = configured.connection
        responses = ResponseReader(connection)
        rules = pick_rules(configured, responses, clock)
        return cls(connection, configured.digest(), responses, rules, AttemptRecorder(connection), older)
