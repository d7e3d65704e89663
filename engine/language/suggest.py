"""*Did you mean*: the known name nearest to a mistyped one.

It counts typing errors (a letter missing, added, wrong, or two swapped) rather than common substrings as difflib
does, which finds `reject` near `object` and misses how people mistype.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice

LONGEST = 60
MOST_CANDIDATES = 200
SHORT = 5
"""Letters from which one wrong letter still shows which word was meant."""


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate nearest to `word`, or None if none is near; case, `_` and `-` are ignored.

    Of more than 200 candidates, the first 200 count: each is compared letter by letter, for every mistake.
    """
    return None if len(word) > LONGEST else _closest(word, tuple(islice(candidates, MOST_CANDIDATES)))


@lru_cache(maxsize=1024)
def _closest(word: str, candidates: tuple[str, ...]) -> str | None:
    plain = _plain(word)
    most = max(1, (len(plain) + 2) // 4)
    best: tuple[int, bool, int] | None = None
    found: str | None = None
    for number, candidate in enumerate(candidates):
        other = _plain(candidate)
        if abs(len(other) - len(plain)) > most:
            continue
        distance = _distance(plain, other)
        rank = (distance, other[:1] != plain[:1], number)
        if distance <= most and distance < max(len(plain), len(other)) and (best is None or rank < best):
            best, found = rank, candidate
    return found


def one_slip_from(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `word` is one slip away from, for names that may well be other names.

    A letter missing, added, wrong or two swapped; in a word of fewer than five letters, only two swapped. None for a
    candidate itself and for one in another spelling (`user_agent`).
    """
    known = tuple(islice(candidates, MOST_CANDIDATES))
    plain = _plain(word)
    if len(word) > LONGEST or any(_plain(each) == plain for each in known):
        return None
    near = (each for each in known if _may_be_near(plain, _plain(each)) and _distance(plain, _plain(each)) == 1)
    return next((each for each in near if len(plain) >= SHORT or sorted(_plain(each)) == sorted(plain)), None)


def _may_be_near(one: str, other: str) -> bool:
    """Tell quickly whether two words may be one slip apart: counting every letter costs more."""
    return abs(len(one) - len(other)) <= 1 and len(set(one) ^ set(other)) <= len("ab")


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")


def _distance(one: str, other: str) -> int:
    """Return the Damerau-Levenshtein distance of two words (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, above, row = row, before, [i]
        for j, its in enumerate(other, 1):
            distance = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                distance = min(distance, above[j - 2] + 1)
            row.append(distance)
    return row[-1]
