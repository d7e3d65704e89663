"""However events are written down and however the bytes arrive, the same events are read, in flat memory."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events.reading import EventReader

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.text('{}[]",:\\ \n', max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-9, 99) | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=4)
INDENTS = st.sampled_from([None, 0, 1, 4, "\t"])
SIZES = st.integers(1, 40)


def written(value, indent):
    return json.dumps(value, indent=indent, ensure_ascii=False).encode()


def read(content, size):
    return list(EventReader(io.BytesIO(content), "events", owned=True, size=size))


@given(st.lists(OBJECTS, max_size=6), INDENTS, st.sampled_from([b"\n", b"\r\n", b"", b" ", b"\n\n \t"]), SIZES)
def test_objects_one_behind_the_other(values, indent, between, size):
    content = between.join(written(value, indent) for value in values)

    found = read(content, size)

    assert [line.value for line in found] == values
    assert found == read(content, 1 << 18)
    for line in found:
        assert line.error is None
        assert content[line.offset : line.offset + len(line.raw)] == line.raw
        assert content.count(b"\n", 0, line.offset) + 1 == line.line


LINES = OBJECTS.map(lambda value: written(value, None)) | st.sampled_from(
    [
        b"",
        b" \t",
        b"  {}",
        b'{"a":1} ',
        b"\t{\n}",
        b"[{}]",
        b"[\n{}\n]",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b"{",
        b'{"a":}',
        b"x",
        b"7",
    ]
)


@given(st.lists(LINES, max_size=8), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\n"]))
def test_lines_that_are_split_together_are_read_as_one_by_one(lines, between, end):
    content = between.join(lines) + end

    assert read(content, 1 << 18) == read(content, 1)


@given(st.lists(JSON, max_size=6), INDENTS, st.sampled_from(["", "\n", " \r\n", "\ufeff"]), SIZES)
def test_lists(values, indent, before, size):
    content = before.encode() + written(values, indent)

    found = read(content, size)

    assert [line.value for line in found] == values
    assert found == read(content, 1 << 18)
    for line in found:
        assert content[line.offset : line.offset + len(line.raw)] == line.raw


@given(st.lists(OBJECTS, min_size=1, max_size=6), st.data(), SIZES)
def test_one_line_that_stops_early_costs_one_error(values, data, size):
    lines = [written(value, None) for value in values]
    broken = data.draw(st.integers(0, len(lines) - 1))
    lines[broken] = lines[broken][: data.draw(st.integers(1, len(lines[broken]) - 1))]

    found = read(b"\n".join(lines), size)

    assert [line.line for line in found] == list(range(1, len(lines) + 1))
    assert [line.line for line in found if line.error] == [broken + 1]
    assert [line.value for line in found if not line.error] == values[:broken] + values[broken + 1 :]


@given(st.lists(OBJECTS, min_size=1, max_size=6), st.data(), SIZES)
def test_one_item_that_stops_early_costs_one_error(values, data, size):
    lines = [written(value, None) for value in values]
    broken = data.draw(st.integers(0, len(lines) - 1))
    lines[broken] = lines[broken][: data.draw(st.integers(1, len(lines[broken]) - 1))]

    found = read(b"[\n" + b",\n".join(lines) + b"\n]\n", size)

    assert [line.line for line in found if line.error] == [broken + 2]
    assert [line.value for line in found if not line.error] == values[:broken] + values[broken + 1 :]


@given(st.binary(max_size=60) | st.text('{}[]",:\\ \n1\x0b', max_size=60).map(str.encode), SIZES)
def test_whatever_the_bytes_are_it_ends_and_every_value_is_json(content, size):
    found = read(content, size)

    assert [(line.raw, line.error is None) for line in found] == [
        (line.raw, line.error is None) for line in read(content, 1 << 18)
    ]
    for line in found:
        assert (line.raw is None) == (line.error is not None)
        assert line.raw is None or orjson.loads(line.raw) == line.value


@given(st.lists(OBJECTS, max_size=6), st.integers(0, 80), SIZES)
def test_a_packed_file_cut_anywhere_gives_the_beginning_and_one_error(values, kept, size):
    packed = gzip.compress(b"\n".join(written(value, None) for value in values))[:-1]

    found = read(packed[: max(kept, 2)], size)
    good = [line.value for line in found if not line.error]

    assert good == values[: len(good)]
    assert [line.error for line in found if line.error] == [found[-1].error]


class Generated(io.RawIOBase):
    """A stream of the same piece, many times, that exists only while it is read."""

    def __init__(self, head, piece, times, tail):
        self._pieces = iter([head, *[piece] * times, tail])
        self._rest = b""

    def readable(self):
        return True

    def read(self, size=-1):
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        given_out, self._rest = self._rest[:size], self._rest[size:]
        return given_out


EVENT = orjson.dumps(
    {"type": "track", "properties": {"products": [{"name": "x" * 280}] * 5}, "context": {"a": {"b": "{}"}}}
)


@pytest.mark.parametrize("megabytes", [10, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("head", "between", "tail"), [(b"", b"\n", b""), (b"[", b",", b"{}]")], ids=["lines", "one list on one line"]
)
def test_many_megabytes_need_two(head, between, tail, megabytes):
    times = megabytes * 1_000_000 // len(EVENT)
    reader = EventReader(Generated(head, EVENT + between, times, tail), "events", owned=True)

    tracemalloc.start()
    try:
        count = sum(line.error is None for line in reader)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == times + bool(tail)
    assert reader.consumed > megabytes * 990_000
    assert peak < 2_000_000
