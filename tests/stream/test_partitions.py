"""Partitions: all events of a key are in one, whatever stands beside the key; the hash never changes."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.records import Json, JsonObject
from engine.stream.partitions import partition_key, partition_of

KEYS: list[tuple[JsonObject, str | None, str]] = [
    ({"type": "track", "anonymousId": "a", "userId": "u", "messageId": "m"}, None, "a"),
    ({"type": "identify", "anonymousId": "a", "userId": "u"}, "anonymousId", "a"),
    ({"type": "identify", "anonymousId": "a", "userId": "u"}, "userId", "u"),
    ({"type": "track", "anonymousId": "a"}, "userId", "a"),
    ({"type": "track", "userId": "u"}, None, "u"),
    ({"type": "alias", "previousId": "p", "userId": "u", "anonymousId": "a"}, "userId", "p"),
    ({"type": "alias", "userId": "u"}, None, "u"),
    ({"type": "delete", "anonymousId": "a", "userId": "u"}, "anonymousId", "u"),
    ({"type": "group", "groupId": "g", "messageId": "m"}, None, "g"),
    ({"type": "track", "groupId": "g", "messageId": "m"}, None, "m"),
    # what normalizing makes of ids
    ({"type": "track", "anonymousId": 7, "userId": "u"}, None, "7"),
    ({"type": "track", "anonymousId": 7.0}, None, "7"),
    ({"type": "track", "anonymousId": " ", "userId": "undefined", "messageId": "m"}, None, "m"),
    ({"type": "track", "anonymousId": ["a"], "userId": {"b": 1}, "messageId": 5}, None, ""),
    ({"type": {"a": 1}, "anonymousId": None, "userId": True}, None, ""),
]


@pytest.mark.parametrize(("event", "by", "key"), KEYS)
def test_the_key_of_an_event(event: JsonObject, by: str | None, key: str) -> None:
    assert partition_key(event, by) == key
    other = partition_of({"type": "track", "anonymousId": key}, 97)
    if key:
        assert partition_of(event, 97, by) == partition_of(orjson.dumps(event), 97, by) == other


JSON = st.none() | st.integers() | st.text(max_size=5)
NAMES = st.sampled_from(["userId", "previousId", "groupId", "messageId", "event"])
IDS = st.text(min_size=1) | st.integers(0, 2**53)


@given(st.sampled_from(["alias", "delete", "group", "identify", "page", 5]), IDS, st.dictionaries(NAMES, JSON))
def test_all_events_of_a_device_are_in_one_partition(call: Json, device: Json, more: dict[str, Json]) -> None:
    event = {**more, "type": call, "anonymousId": device}
    if partition_key(event) == str(device):
        assert partition_of(event, 256) == partition_of({"anonymousId": str(device)}, 256)
    assert 0 <= partition_of(event, 7) < 7


@given(st.binary())
def test_any_bytes_have_a_partition(raw: bytes) -> None:
    assert 0 <= partition_of(raw, 16) < 16
    assert partition_of(raw, 1) == 0


def test_the_hash_is_the_same_in_every_release() -> None:
    assert [partition_of({"anonymousId": f"a{n}"}, 16) for n in range(8)] == [8, 11, 2, 2, 11, 14, 13, 11]
    assert partition_of(b"no json", 16, None, "derived-1") == partition_of({"messageId": "derived-1"}, 16)
