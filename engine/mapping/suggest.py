"""*Did you mean*: the known word nearest to one that was mistyped.

Counts single slips (a letter missing, added, wrong, or two swapped) and not difflib's common stretches:
those find `reject` near `object` and miss how people mistype.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 60


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate nearest to `word`, or None if none is near; case, `_` and `-` hardly count."""
    if len(word) > LONGEST:
        return None
    plain = _plain(word)
    most = max(1, (len(plain) + 2) // 4)
    best: tuple[int, bool, int] | None = None
    found: str | None = None
    for number, candidate in enumerate(candidates):
        other = _plain(candidate)
        if abs(len(other) - len(plain)) > most:
            continue
        slips = _slips(plain, other)
        rank = (slips, other[:1] != plain[:1], number)
        if slips <= most and slips < max(len(plain), len(other)) and (best is None or rank < best):
            best, found = rank, candidate
    return found


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(" ", "")


def _slips(one: str, other: str) -> int:
    """Count the slips between two words: Damerau and Levenshtein's distance, one swap at a place."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, above, row = row, before, [i]
        for j, its in enumerate(other, 1):
            slips = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                slips = min(slips, above[j - 2] + 1)
            row.append(slips)
    return row[-1]
