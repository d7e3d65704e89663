"""What is no segment is refused, and what is one comes back."""

from __future__ import annotations

import zlib

import orjson
import pytest

from engine.stream.errors import DamagedPack, UnknownFormat
from engine.stream.segments import PackIds, SegmentBuilder, decode_segment, encode_segment


def made() -> tuple[dict[str, str], bytes]:
    builder = SegmentBuilder(3)
    builder.add(PackIds(5, 1.5, [bytes([n] * 8) for n in range(9)], frozenset({"a", "b\n"})))
    return encode_segment(builder.closed(), "made at noon")


def changed(**changes: object) -> bytes:
    line, data = made()[1].split(b"\n", 1)
    return orjson.dumps(orjson.loads(line) | changes) + b"\n" + data


def test_a_segment_comes_back_unless_it_is_of_another_stream() -> None:
    headers, body = made()
    found = decode_segment(headers, body, "made at noon")
    assert found is not None
    assert (found.after, found.upto, found.at, found.receivers) == (3, 5, 1500, (frozenset({"a", "b\n"}),))
    assert encode_segment(found, "made at noon") == (headers, body)
    assert decode_segment(headers, body, "made at one") is None


DATA = made()[1].split(b"\n", 1)[1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]\n",
        made()[1][:-1],
        made()[1] + b"\0",
        made()[1].replace(b"\x07\x07", b"\x07\x08"),
        changed(upto=3),
        changed(after=-1),
        changed(base=10**15),
        changed(at="soon"),
        changed(receivers=[]),
        changed(receivers=5),
        orjson.dumps(orjson.loads(made()[1].split(b"\n")[0]) | {"check": zlib.crc32(b"")}) + b"\n",
        changed(check=zlib.crc32(DATA[:-12])).replace(DATA, DATA[:-12]),
    ],
)
def test_what_is_no_segment_is_refused(body: bytes) -> None:
    with pytest.raises(DamagedPack) as raised:
        decode_segment({"Waybill-Format": "1"}, body, "made at noon")
    assert str(raised.value) == "A message of the stream is no segment of ids."


def test_a_segment_of_a_newer_release_is_named() -> None:
    with pytest.raises(UnknownFormat):
        decode_segment({"Waybill-Format": "2"}, b"", "made at noon")
