"""Reading events out of files: what is found where, and what is said of what cannot be read."""

from __future__ import annotations

import gzip
import io
import os
import threading
from hashlib import sha512

import orjson
import pytest

from engine.errors import UsageError
from engine.events.json_repairs import read_repaired
from engine.events.reading import EventReader, read_events, total_size
from engine.events.splitting import Line
from engine.records import Report
from tests.tables import each

A, B, C = b'{"a":1}', b'{"b":[{"c":"}"}]}', b'{"c":"\\"]{"}'


def lines(content, **options):
    return list(EventReader(io.BytesIO(content), "events", owned=True, **options))


def good(line, offset, raw):
    return (line, offset, raw, None)


def bad(line, offset, error):
    return (line, offset, None, f"events:{line}:{error}")


END = "not JSON: unexpected end of data"
VALUE = "not JSON: unexpected character, expected a JSON value"

CASES = {
    "nothing": (b"", []),
    "only blanks": (b" \r\n\t\n", []),
    "one object": (A, [good(1, 0, A)]),
    "one object over many lines": (b'\n {\n  "a":\n  1\n }\n', [good(2, 2, b'{\n  "a":\n  1\n }')]),
    "one a line": (A + b"\n" + B + b"\n" + C, [good(1, 0, A), good(2, 8, B), good(3, 26, C)]),
    "ends of lines as Windows writes them": (A + b"\r\n\r\n" + B + b"\r\n", [good(1, 0, A), good(3, 11, B)]),
    "with a byte order mark": (b"\xef\xbb\xbf" + A + b"\n" + B, [good(1, 3, A), good(2, 11, B)]),
    "several on a line": (A + B + b" " + C, [good(1, 0, A), good(1, 7, B), good(1, 25, C)]),
    "objects over many lines, one behind the other": (
        b'{\n "a": 1\n}\n{\n "b": {\n }\n}{"c":\n2}',
        [good(1, 0, b'{\n "a": 1\n}'), good(4, 12, b'{\n "b": {\n }\n}'), good(7, 26, b'{"c":\n2}')],
    ),
    "a list": (b"[" + A + b",\n" + B + b" ,\n\n" + C + b"]", [good(1, 1, A), good(2, 10, B), good(4, 31, C)]),
    "an empty list": (b"[ ]\n", []),
    "lists and objects, mixed": (b"[" + A + b"]\n" + B + b"\n[" + C + b"]", [good(1, 1, A), good(2, 10, B), good(3, 29, C)]),
    "values that are no objects": (b'1\n"x"\nnull\n', [good(1, 0, b"1"), good(2, 2, b'"x"'), good(3, 6, b"null")]),
    "values that are no objects, in a list": (
        b'[1, "x]", [[],\n[{}]],true]',
        [good(1, 1, b"1"), good(1, 4, b'"x]"'), good(1, 10, b"[[],\n[{}]]"), good(2, 21, b"true")],
    ),
    "commas in a list are not counted": (b"[,1 2,,3,]", [good(1, 2, b"1"), good(1, 4, b"2"), good(1, 7, b"3")]),
    "an object in a text": (b'["{}", "\\"{", 1]', [good(1, 1, b'"{}"'), good(1, 7, b'"\\"{"'), good(1, 14, b"1")]),
    # broken
    "a broken line": (
        A + b'\n{"a": tru}\n' + B,
        [good(1, 0, A), bad(2, 8, "7: not JSON: invalid literal, expected 'true'"), good(3, 19, B)],
    ),
    "a line that stops in the middle": (b'{"a": 1\n' + B, [bad(1, 0, f"8: {END}"), good(2, 8, B)]),
    "a line that stops in a text": (b'{"a": "1\n' + B, [bad(1, 0, f"9: {END}"), good(2, 9, B)]),
    "a line that stops in a list": (
        b'{"a":[{"x":1},\n' + B + b"\n" + C,
        [bad(1, 0, f"15: {END}"), good(2, 15, B), good(3, 33, C)],
    ),
    "a line that stops behind a colon": (b'{"a":\n' + B, [bad(1, 0, f"6: {END}"), good(2, 6, B)]),
    "the last line stops": (A + b'\n{"a":', [good(1, 0, A), bad(2, 8, f"6: {END}")]),
    "lines that are nothing": (
        b"hello\n" + A + b"\n}\n",
        [bad(1, 0, f"1: {VALUE}"), good(2, 6, A), bad(3, 14, f"1: {VALUE}")],
    ),
    "something behind an object": (A + b"}, x\n" + B, [good(1, 0, A), bad(1, 7, f"8: {VALUE}"), good(2, 12, B)]),
    "a bracket that closes another": (
        b'{"a": [1}\n' + B,
        [bad(1, 0, "9: not JSON: unexpected character, expected ',' or ']'"), good(2, 10, B)],
    ),
    "a bad object over many lines": (
        b'{\n "a": 1,\n}\n' + B,
        [(2, 0, None, "events:2:8: not JSON: trailing comma is not allowed"), good(4, 13, B)],
    ),
    "an open object over many lines": (
        b'{\n  "a": [\n    {"x": 1},\n    {"x": 2}\n  ]\n{\n "b": 1\n}',
        [(5, 0, None, f"events:5:4: {END}"), good(6, 42, b'{\n "b": 1\n}')],
    ),
    "an escaped line end": (b'{"a":"\\\n"}\n' + B, [bad(1, 0, f"7: {END}"), good(3, 11, B)]),
    "not UTF-8, and no JSON with other characters": (
        b'{"a":1}\n{"\xff": tru}\n{"b":\n"\xe9",}',
        [
            good(1, 0, A),
            bad(2, 8, "3: not valid UTF-8"),
            (4, 19, None, "events:4:2: not valid UTF-8"),
        ],
    ),
    "UTF-16": (A.decode().encode("utf-16"), [bad(1, 0, "1: this is UTF-16; save it as UTF-8")]),
    "a broken item": (
        b"[" + A + b',{"b":tru},' + C + b"]",
        [good(1, 1, A), bad(1, 9, "15: not JSON: invalid literal, expected 'true'"), good(1, 19, C)],
    ),
    "a broken word in a list": (b"[1,tru]" + A, [good(1, 1, b"1"), bad(1, 3, f"7: {END}"), good(1, 7, A)]),
    "a blank that JSON does not know": (
        b"\x0b\n[\x0b,1]",
        [bad(1, 0, f"1: {VALUE}"), bad(2, 3, f"2: {VALUE}"), good(2, 5, b"1")],
    ),
    "an open item in a list of lines": (
        b'[\n  {"a":1},\n  {"b":[1,\n  {"c":1},\n  {"d":1}\n]\n' + A,
        [
            good(2, 4, A),
            bad(3, 15, f"11: {END}"),
            good(4, 26, b'{"c":1}'),
            good(5, 37, b'{"d":1}'),
            good(7, 47, A),
        ],
    ),
    "an open item in a list on one line": (
        b"[" + A + b',{"b":[1},' + C + b"]",
        [
            good(1, 1, A),
            bad(1, 9, "17: not JSON: unexpected character, expected ',' or ']'; the rest of the list could not be read"),
        ],
    ),
    "a list without an end": (
        b"\n[" + A + b",\n",
        [good(2, 2, A), bad(3, 11, "1: the list that starts on line 2 is not closed: the file is incomplete")],
    ),
    "a list that ends in an item": (
        b"[" + A + b',{"a":',
        [good(1, 1, A), bad(1, 9, f"15: {END}; the rest of the list could not be read")],
    ),
    "nested deeper than anything reads": (
        b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"\n" + A,
        [bad(1, 0, "5122: not JSON: depth limit exceeded"), good(2, 12002, A)],
    ),
}  # fmt: skip


@each("size", [1, 2, 3, 7, 1 << 18])
@each("content, expected", CASES.values(), ids=CASES)
def test_what_is_found(content, expected, size):
    assert [(line.line, line.offset, line.raw, line.error) for line in lines(content, size=size)] == expected


HALF = "half characters (lone surrogates) were replaced by U+FFFD: 1"
NO_NUMBERS = "numbers that JSON cannot represent (NaN, Infinity, too large) became null"
NO_UTF_8 = "bytes that are not UTF-8 were replaced by U+FFFD"
MARK = "a byte order mark was left out"
REPAIRED = {
    # content, the bytes of each event, what was changed
    "half an emoji": (b'{"t":"hi \\ud83d"}\n' + A, [(b'{"t":"hi \\ufffd"}', [HALF]), (A, [])]),
    "a whole emoji, and a backslash before half of one": (b'{"t":"\\ud83d\\udc4d\\\\ud83d"}', [(None, [])]),
    "half an emoji in a list": (b"[" + A + b',{"t":"\\ud83d"}]', [(A, []), (b'{"t":"\\ufffd"}', [HALF])]),
    "half an emoji in an object over lines": (b'{\n "t":\n"\\udfff"}', [(b'{\n "t":\n"\\ufffd"}', [HALF])]),
    "not UTF-8": (b'{"\xff": 1}\n{"b":\n"\xe9"}', [('{"\ufffd": 1}'.encode(), [NO_UTF_8]), ('{"b":\n"\ufffd"}'.encode(), [NO_UTF_8])]),
    "NaN": (b'{"a":NaN,"b":[-Infinity, Infinity]}', [(b'{"a":null,"b":[null, null]}', [f"{NO_NUMBERS}: 3"])]),
    "NaN in a text": (b'{"a":"NaN","b":"x\\"NaN,Infinity","c":NaN}', [(b'{"a":"NaN","b":"x\\"NaN,Infinity","c":null}', [f"{NO_NUMBERS}: 1"])]),
    "too large for a float": (b'{"a":-1e999,"b":1E+400,"c":1e-999,"d":1.5e300}', [(b'{"a":null,"b":null,"c":1e-999,"d":1.5e300}', [f"{NO_NUMBERS}: 2"])]),
    "too many digits": (b'{"a":' + b"9" * 400 + b"}", [(b'{"a":null}', [f"{NO_NUMBERS}: 1"])]),
    "several at once": (b'{"a":NaN,"b":"\\ud800\xff"}', [('{"a":null,"b":"\\ufffd\ufffd"}'.encode(), [NO_UTF_8, HALF, f"{NO_NUMBERS}: 1"])]),
    "a byte order mark": (b"\xef\xbb\xbf" + A + b"\n" + B, [(A, [MARK]), (B, [])]),
    "marks of joined files": (A + b"\n\xef\xbb\xbf" + B + b'\n\xef\xbb\xbf{\n "c": NaN\n}', [(A, []), (B, [MARK]), (b'{\n "c": null\n}', [MARK, f"{NO_NUMBERS}: 1"])]),
}  # fmt: skip


@each("size", [1, 5, 1 << 18])
@each("content, expected", REPAIRED.values(), ids=REPAIRED)
def test_what_json_cannot_represent_is_repaired_and_reported(content, expected, size):
    found = lines(content, size=size)

    assert [line.error for line in found] == [None] * len(expected)
    for line, (raw, changes) in zip(found, expected, strict=True):
        assert line.raw == (raw or content)
        assert line.value == orjson.loads(line.raw)
        assert line.reports == tuple(Report("json-repaired", "message", change) for change in changes)


NOT_REPAIRED = [
    b"NaN",
    b'{"a":nan}',
    b'{"a":+Infinity}',
    b'{"a":NaN1}',
    b'{"a":1.NaN}',
    b'{"a":"\\ud83d}',
    b'{"a":\xff}',
]


@pytest.mark.parametrize("raw", NOT_REPAIRED)
def test_what_is_not_json_otherwise_stays_unreadable(raw):
    assert read_repaired(raw) is None or raw == b"NaN"
    assert lines(raw)[0].error is not None


def test_a_line_has_the_value_and_where_it_stood(tmp_path):
    file = tmp_path / "events.ndjson"
    file.write_bytes(A + b"\n[" + B)

    assert list(read_events(file)) == [
        Line(str(file), 1, 0, A, None, {"a": 1}),
        Line(str(file), 2, 9, B, None, {"b": [{"c": "}"}]}),
        Line(
            str(file),
            2,
            26,
            None,
            f"{file}:2:19: the list that starts on line 2 is not closed: the file is incomplete",
        ),
    ]


TOO_LONG = "longer than 64 bytes, the limit for an event"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (A + b'\n{"long":"' + b"x" * 500 + b'"}\n' + B, [good(1, 0, A), bad(2, 8, f"1: {TOO_LONG}"), good(3, 520, B)]),
        (b'{"long":[' + b"1," * 500 + b"1]}\n" + B, [bad(1, 0, f"1: {TOO_LONG}"), good(2, 1013, B)]),
        (
            b'{"long":' + b"[\n" * 500 + A + b"\n" + b"]\n" * 500 + B,
            [bad(1, 0, f"1: {TOO_LONG}"), good(501, 1008, A), good(1002, 2016, B)],
        ),
        (b"x" * 500 + b"\n" + B, [bad(1, 0, f"1: {TOO_LONG}"), good(2, 501, B)]),
        (
            b'[\n{"long":"' + b"x" * 500 + b'"},\n' + B + b",\n" + b"9" * 90 + b"\n]",
            [bad(2, 2, f"1: {TOO_LONG}"), good(3, 515, B), bad(4, 534, f"1: {TOO_LONG}")],
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 100, 1 << 18])
def test_what_is_too_long_is_not_kept(content, expected, size):
    found = [(line.line, line.offset, line.raw, line.error) for line in lines(content, size=size, limit=64)]

    assert [line for line in found if line[2] or "64 bytes" in line[3]] == expected


PACKED = gzip.compress(A + b"\n" + B + b"\n", mtime=0)
ADVICE = "The rest is missing: copy or compress the file again"


@pytest.mark.parametrize("size", [1, 5, 1 << 18])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PACKED, [good(1, 0, A), good(2, 8, B)]),
        (PACKED + gzip.compress(C, mtime=0), [good(1, 0, A), good(2, 8, B), good(3, 26, C)]),
        (PACKED + b"\0" * 100, [good(1, 0, A), good(2, 8, B)]),
        (gzip.compress(b"", mtime=0), []),
        (
            PACKED + b"tail",
            [
                good(1, 0, A),
                good(2, 8, B),
                bad(3, 26, f"1: the compressed data is corrupt here (Not a gzipped file (b'ta')). {ADVICE}"),
            ],
        ),
        (
            PACKED[:-9],
            [good(1, 0, A), good(2, 8, B), bad(3, 26, f"1: the compressed data ends early. {ADVICE}")],
        ),
        (PACKED[:5], [bad(1, 0, f"1: the compressed data ends early. {ADVICE}")]),
        (
            gzip.compress(A + b'\n{"cut":', mtime=0)[:-1],
            [good(1, 0, A), bad(2, 15, f"8: the compressed data ends early. {ADVICE}")],
        ),
        (
            gzip.compress(b"[" + A + b',\n"cut', mtime=0)[:-1],
            [good(1, 1, A), bad(2, 14, f"5: the compressed data ends early. {ADVICE}")],
        ),
    ],
)  # fmt: skip
def test_gzip_is_known_by_its_first_bytes(content, expected, size):
    assert [(line.line, line.offset, line.raw, line.error) for line in lines(content, size=size)] == expected


def test_a_damaged_file_gives_what_came_before(tmp_path):
    whole = b"".join(b'{"number":%d,"noise":"%s"}\n' % (n, sha512(b"%d" % n).hexdigest().encode()) for n in range(5000))
    packed = bytearray(gzip.compress(whole, mtime=0))
    packed[len(packed) // 2] ^= 0xFF
    file = tmp_path / "events"
    file.write_bytes(packed)

    *before, last = read_events(file)

    assert [line.value["number"] for line in before[:1000]] == list(range(1000))
    assert "the compressed data is corrupt here (" in last.error


class FailingDisk(io.RawIOBase):
    """Gives one line and a half, and then an error as a disk does."""

    def __init__(self):
        self.left = [A + b"\n" + B[:3]]

    def readable(self):
        return True

    def read(self, _size=-1):
        if self.left:
            return self.left.pop()
        raise OSError(5, "Input/output error")


def test_a_disk_that_fails_is_one_error():
    found = list(EventReader(FailingDisk(), "events", owned=True))

    assert [(line.line, line.raw, line.error) for line in found] == [
        (1, A, None),
        (2, None, "events:2:4: reading stopped here: Input/output error; the rest is missing"),
    ]


def test_standard_input_is_read_and_left_open():
    stdin = io.BytesIO(PACKED)

    assert [(line.file, line.raw) for line in read_events("-", stdin=stdin)] == [("stdin", A), ("stdin", B)]
    assert not stdin.closed


def test_a_pipe_gives_a_line_as_soon_as_it_is_whole():
    receiver, sender = os.pipe()
    with os.fdopen(receiver, "rb") as stdin, os.fdopen(sender, "wb", buffering=0) as pipe:
        reader = read_events("-", stdin=stdin)
        pipe.write(A + b"\n" + B[:5])
        first = next(reader)
        writing = threading.Thread(target=lambda: (pipe.write(B[5:] + b"\n"), pipe.close()))
        writing.start()
        second = next(reader)
        writing.join()

        assert (first.raw, second.raw, next(reader, None)) == (A, B, None)


def test_progress_counts_the_bytes_of_the_file(tmp_path):
    file = tmp_path / "events.ndjson.gz"
    file.write_bytes(PACKED)

    with read_events(file) as reader:
        assert reader.consumed == 0
        assert total_size(file) == len(PACKED)
        assert len(list(reader)) == 2
        assert reader.consumed == total_size(file)


def test_only_files_have_a_size(tmp_path):
    assert total_size("-") is None
    assert total_size(tmp_path) is None
    assert total_size(tmp_path / "none") is None


def test_leaving_early_closes_the_file(tmp_path):
    file = tmp_path / "events"
    file.write_bytes(A + b"\n" + B)

    with read_events(file) as reader:
        assert next(reader).raw == A
    assert reader._stream.closed


@pytest.fixture
def locked(tmp_path):
    """Return a file that may not be read, also where the tests run as root."""
    file = tmp_path / "locked.ndjson"
    file.write_bytes(A)
    file.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield file
    os.seteuid(user)


def test_a_file_that_may_not_be_read(locked):
    with pytest.raises(UsageError) as error:
        read_events(locked)
    assert str(error.value) == f"{locked} cannot be read: permission denied (chmod u+r {locked})."


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("{}/none", "File {}/none does not exist; name a file of events, or - for standard input."),
        ("{}", "{0} is a directory; name the files in it, such as {0}/*.ndjson."),
        ("-", "There is no standard input to read; name a file of events."),
        ("{}/" + "x" * 300, "{}/" + "x" * 300 + " cannot be opened: File name too long."),
        ("{}/\0", "File {}/\0 does not exist; name a file of events, or - for standard input."),
    ],
)
def test_what_is_not_there_is_the_caller_s_mistake(path, text, tmp_path):
    with pytest.raises(UsageError) as error:
        read_events(path.format(tmp_path))
    assert str(error.value) == text.format(tmp_path)
