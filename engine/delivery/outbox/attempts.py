"""What is kept of a request that was sent, and of its answer: one record for a request, also for one with many events.

The request itself is not kept: it is planned again from the event and the version of the mapping, and `digest` says
whether the result is what was sent.  An answer is kept whole, up to `MOST_ANSWER` bytes, if anything in it was refused
or failed; of an accepted one, the status and the time it took.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_ANSWER = 8 * 1024
"""Bytes of an answer's body that are kept."""

MOST_URL = 2048
"""Characters of a URL that are kept."""

MOST_HEADERS = 1024
"""Characters of an answer's headers that are kept."""

MOST_OF_EVENT = 20
"""Requests of one event and connection that are kept: the last ones."""


class Attempt(NamedTuple):
    """One request and what came back, without secrets.

    `number` is unique within the connection and grows: the Unix time it began, in microseconds. `took` is in
    milliseconds. `name` is that of the mapping's request or batch, `items` how many events' requests it carried.
    `status` is 0 and `failure` says why if no answer came back; with a status, why its body is not kept. `digest` is of
    the request's method, URL and body (`sending/recorded.py`). `refused` is whether anything was not accepted; only
    then `headers` (some lines) and `answer` are kept, and `cut` is how many bytes of the answer's body are missing.
    """

    number: int
    took: int
    name: str
    method: str
    url: str
    items: int
    status: int
    digest: str = ""
    refused: bool = False
    failure: str = ""
    headers: str = ""
    answer: str = ""
    cut: int = 0


class AttemptNumbers(NamedTuple):
    """Which requests an event had: the numbers of the last ones, and how many `earlier` ones are no longer listed."""

    numbers: tuple[int, ...] = ()
    earlier: int = 0

    def plus(self, number: int) -> AttemptNumbers:
        """Return these with one more, without the oldest if there are too many."""
        numbers = (*self.numbers, number)
        more = max(0, len(numbers) - MOST_OF_EVENT)
        return AttemptNumbers(numbers[more:], self.earlier + more)

    def text(self) -> str | None:
        """Return them as the outbox holds them: `+3 1700000000000001 1700000000000002`; None if there are none."""
        if not self.numbers:
            return None
        words = [f"+{self.earlier}"] if self.earlier else []
        return " ".join([*words, *map(str, self.numbers)])

    @classmethod
    def of(cls, text: str | None) -> AttemptNumbers:
        """Return those of a text from the file; raises ValueError for any other text."""
        words = text.split() if text else []
        earlier = int(words.pop(0)[1:]) if words and words[0].startswith("+") else 0
        return cls(tuple(map(int, words)), earlier)


NO_ATTEMPTS = AttemptNumbers()
