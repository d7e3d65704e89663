"""`responses` and `results` of a mapping as typed nouns: what answers mean."""

from __future__ import annotations

from engine.mapping.keys import Holds, declare, plain
from engine.noun import Noun
from engine.records import Json, Place


def _status(written: Json) -> tuple[Json, ...]:
    return tuple(written) if isinstance(written, list) else (written,)


class Response(Noun):
    """One rule of `responses`; `status` holds codes and classes (`4xx`), and without `then` the usual rules decide."""

    place: Place
    status: tuple[int | str, ...] = plain((), convert=_status)
    when: str | None = declare(Holds.PATH, default=None)
    unless: str | None = declare(Holds.PATH, default=None)
    then: str | None = plain()
    error: str | None = declare(Holds.PATH, default=None)
    hint: str = plain("")


class Results(Noun):
    """Where a batch's answer says how each item went."""

    list: str = declare(Holds.PATH, scope="results")
    ok: str = declare(Holds.PATH, scope="result")
    error: str | None = declare(Holds.PATH, default=None, scope="result")
