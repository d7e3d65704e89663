"""What can be wrong with the servers and streams of an outbox address; each text says what to do.

None of them repeats a credential: what was used to sign in is named by its variable.
"""

from __future__ import annotations

from engine.delivery.outbox.base import OutboxError, OutboxFull


class NoServer(OutboxError):  # noqa: N818  reads as what happened
    """No server of the address answers."""


class CredentialsRefused(OutboxError):  # noqa: N818  reads as what happened
    """A server does not accept the credentials."""


class TlsFailed(OutboxError):  # noqa: N818  reads as what happened
    """TLS is asked for and not to be had, or the other's certificate is not trusted."""


class NoJetStream(OutboxError):  # noqa: N818  reads as what happened
    """The server, or the account, has no JetStream."""


class OldServer(OutboxError):  # noqa: N818  reads as what happened
    """The server lacks what partitions need."""


class NoLeader(OutboxError):  # noqa: N818  reads as what happened
    """Servers answer, but too few of them for a stream to have a leader."""


class StreamMissing(OutboxError):  # noqa: N818  reads as what happened
    """The streams of an address were never made, or were removed."""


class StreamMismatch(OutboxError):  # noqa: N818  reads as what happened
    """A stream of that name is set up in another way than the outbox needs."""


class OutboxUnfit(OutboxError):  # noqa: N818  reads as what happened
    """The servers have less than an address asks for."""


class StreamFull(OutboxFull):  # reads as what happened
    """A stream, or the disk of its servers, has no room; senders send again later."""


class MessageTooLarge(OutboxError):  # noqa: N818  reads as what happened
    """The servers take no message of that size."""


class SequenceConflict(OutboxError):  # noqa: N818  reads as what happened
    """Another process wrote to the subject in the meantime; nothing was written."""


class UnknownFormat(OutboxError):  # noqa: N818  reads as what happened
    """A message was written by a newer release."""


class DamagedPack(OutboxError):  # noqa: N818  reads as what happened
    """A message is no pack of events."""


class ApiRefused(OutboxError):  # noqa: N818  reads as what happened
    """JetStream refused a request; `code` is its number of the reason, such as 10059 for a stream that is not there."""

    def __init__(self, description: str, code: int) -> None:
        self.description, self.code = description, code
        super().__init__(f"JetStream refused a request: {description}.")
