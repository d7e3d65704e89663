"""Keys that a pattern was found in are remembered, alone and together, and no other key profits from that."""

from __future__ import annotations

from engine.compiler.runtime import KeysLike
from engine.language.regex import compile_pattern
from engine.records import Json, JsonObject, Report


def kept(keys_like: KeysLike, *keys: str) -> tuple[list[str], list[Report]]:
    reports: list[Report] = []
    value: JsonObject = dict.fromkeys(keys, True)
    found: dict[str, Json] = keys_like(value, reports, "place")
    return list(found), reports


def test_what_was_found_once_is_found_again() -> None:
    keys_like = KeysLike(compile_pattern("^[ -~]+$"))
    for _ in range(3):
        assert kept(keys_like, "a", "b") == (["a", "b"], [])
        assert kept(keys_like, "a", "größe") == (
            ["a"],
            [Report("key-dropped", "place", '"größe" was left out: it does not match the pattern ^[ -~]+$')],
        )


def test_a_key_that_reads_like_several_is_looked_at_itself() -> None:
    keys_like = KeysLike(compile_pattern("^[ -~]+$"))
    for _ in range(3):
        assert kept(keys_like, "a", "b", "c") == (["a", "b", "c"], [])
        assert kept(keys_like, "a\0b", "c")[0] == ["c"]
        assert kept(keys_like, "a\0b\0c")[0] == []


def test_keys_with_the_character_between_keys_are_not_remembered_together() -> None:
    keys_like = KeysLike(compile_pattern("^[^x]+$"))
    for _ in range(3):
        assert kept(keys_like, "a\0b", "c") == (["a\0b", "c"], [])
        assert kept(keys_like, "a", "b\0c") == (["a", "b\0c"], [])
        assert kept(keys_like, "a", "x")[0] == ["a"]
