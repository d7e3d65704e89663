"""Requests as bytes, each with the statuses of its answers: what broken, old and hostile clients send.

A `Raw` says all that has to come back on its connection: an answer more would be a request that was smuggled in.
"""

from __future__ import annotations

import gzip
import zlib
from typing import NamedTuple

from tests.collector.running import tracks

KEY = b"Authorization: Basic c2FuZGJveDo=\r\n"
ONE = tracks(0, 1)
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Raw(NamedTuple):
    name: str
    data: bytes
    statuses: tuple[int, ...]


def head(*lines: bytes, first: bytes = b"POST /v1/batch HTTP/1.1") -> bytes:
    return first + b"\r\nHost: x\r\n" + KEY + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(body: bytes = ONE, *lines: bytes, first: bytes = b"POST /v1/batch HTTP/1.1") -> bytes:
    return head(*lines, b"Content-Length: %d" % len(body), first=first) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked(data: bytes, *lines: bytes) -> bytes:
    return head(*lines, b"Transfer-Encoding: chunked") + data


def event(members: bytes) -> bytes:
    return b'{"batch":[{"type":"track","userId":"u","event":"E","properties":{%s}}]}' % members


ENDED = chunk(ONE) + b"0\r\n\r\n"
ZIPPED = b"Content-Encoding: gzip"
BOMB = gzip.compress(b" " * 50_000_000, 1, mtime=0)
WITHOUT_KEY = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

METHODS = [
    Raw("HEAD", head(first=b"HEAD /v1/batch HTTP/1.1"), (405,)),
    Raw("HEAD of a page", head(first=b"HEAD /healthz HTTP/1.1"), (200,)),
    Raw("PUT", post(first=b"PUT /v1/batch HTTP/1.1"), (405,)),
    Raw("TRACE", head(first=b"TRACE /v1/batch HTTP/1.1"), (405,)),
    Raw("POST to a page", post(first=b"POST /healthz HTTP/1.1"), (405,)),
    Raw("CONNECT", head(first=b"CONNECT example.com:443 HTTP/1.1"), (400,)),
    Raw("CONNECT to an address", head(first=b"CONNECT /v1/batch HTTP/1.1"), (400,)),
    Raw("an unknown method", head(first=b"STEAL /v1/batch HTTP/1.1"), (400,)),
    Raw("a method in small letters", post(first=b"post /v1/batch HTTP/1.1"), (400,)),
    Raw("no method", b"\x00" * 100 + b"\r\n\r\n", (400,)),
    Raw("OPTIONS *", head(first=b"OPTIONS * HTTP/1.1"), (404,)),
    Raw("HTTP/2 outright", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,)),
    Raw("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)), (400,)),
]

VERSIONS = [
    Raw("HTTP/1.0", b"POST /v1/batch HTTP/1.0\r\n" + KEY + b"Content-Length: %d\r\n\r\n" % len(ONE) + ONE, (200,)),
    Raw("HTTP/1.0 that stays", post(ONE, b"Connection: keep-alive", first=b"POST /v1/batch HTTP/1.0"), (200,)),
    Raw("HTTP/1.0 without a length", head(first=b"POST /v1/batch HTTP/1.0"), (400,)),
    Raw("HTTP/0.9", b"GET /healthz\r\n\r\n", (200,)),
    Raw("HTTP/9.9", post(first=b"POST /v1/batch HTTP/9.9"), (400,)),
    Raw("no version at all", post(first=b"POST /v1/batch HTTP/"), (400,)),
]

ADDRESSES = [
    Raw("a NUL", head(first=b"GET /health\x00z HTTP/1.1"), (400,)),
    Raw("a NUL in hex", head(first=b"GET /healthz%00 HTTP/1.1"), (404,)),
    Raw("no UTF-8 in hex", head(first=b"GET /%ff%fe HTTP/1.1"), (404,)),
    Raw("bytes", head(first=b"GET /\xff\xfe HTTP/1.1"), (400,)),
    Raw("spaces", head(first=b"GET /health z HTTP/1.1"), (400,)),
    Raw("a whole address", post(first=b"POST http://x/v1/batch HTTP/1.1"), (200,)),
    Raw("a whole address and no path", head(first=b"GET http://x HTTP/1.1"), (400,)),
    Raw("up and down", post(first=b"POST /../v1/./batch HTTP/1.1"), (404,)),
    Raw("60 KB", head(first=b"GET /" + b"a" * 60_000 + b" HTTP/1.1"), (404,)),
    Raw("70 KB", head(first=b"GET /" + b"a" * 70_000 + b" HTTP/1.1"), (414,)),
    Raw("70 KB behind ?", post(first=b"POST /v1/batch?" + b"a=b&" * 18_000 + b" HTTP/1.1"), (414,)),
    Raw("without an end", b"GET /" + b"a" * 10_000_000, (414,)),
]

HEADERS = [
    Raw("a NUL in a value", post(ONE, b"X: a\x00b"), (400,)),
    Raw("a NUL in a name", post(ONE, b"X\x00: a"), (400,)),
    Raw("no colon", post(ONE, b"X"), (400,)),
    Raw("no name", post(ONE, b": a"), (400,)),
    Raw("space before the colon", post(ONE, b"X : a"), (400,)),
    Raw("a line that goes on", post(ONE, b"X: a\r\n b"), (400,)),
    Raw("a bare CR", post(ONE, b"X: a\rY: b"), (400,)),
    Raw("bare LFs", post().replace(b"\r\n", b"\n"), (400,)),
    Raw("bytes", post(ONE, b"X: \xff\xfe\x80"), (200,)),
    Raw("a key that is no base64", b"POST /v1/batch HTTP/1.1\r\nAuthorization: Basic \xff=\r\n\r\n", (401,)),
    Raw("60 KB", post(ONE, b"X: " + b"a" * 60_000), (200,)),
    Raw("66 KB", post(ONE, b"X: " + b"a" * 66_000), (431,)),
    Raw("a name of 66 KB", post(ONE, b"a" * 66_000 + b": X"), (431,)),
    Raw("10 MB", post(ONE, b"X: " + b"a" * 10_000_000), (431,)),
    Raw("without an end", head()[:-2] + b"X: " + b"a" * 10_000_000, (431,)),
    Raw("66 KB together", post(ONE, *[b"X-%d: " % n + b"a" * 660 for n in range(100)]), (431,)),
    Raw("200", post(ONE, *[b"X: a"] * 197), (200,)),
    Raw("201", post(ONE, *[b"X: a"] * 198), (431,)),
    Raw("100,000", post(ONE, *[b"X: a"] * 100_000), (431,)),
    Raw("empty lines before", b"\r\n" * 100 + post(), (200,)),
    Raw("nothing but empty lines", b"\r\n" * 500_000, (431,)),
    Raw("Expect: more", post(ONE, b"Expect: the-unexpected"), (200,)),
    Raw("Expect: 100-continue", post(ONE, b"Expect: 100-continue"), (100, 200)),
]

LENGTHS = [
    Raw("twice the same", post(ONE, b"Content-Length: %d" % len(ONE)), (400,)),
    Raw("two that differ", post(ONE, b"Content-Length: 5"), (400,)),
    Raw("no number", head(b"Content-Length: abc"), (400,)),
    Raw("below zero", head(b"Content-Length: -1"), (400,)),
    Raw("with a sign", head(b"Content-Length: +5") + b"aaaaa", (400,)),
    Raw("in hex", head(b"Content-Length: 0x10"), (400,)),
    Raw("a list", head(b"Content-Length: 5, 5") + b"aaaaa", (400,)),
    Raw("empty", head(b"Content-Length:"), (400,)),
    Raw("more than 64 bits", head(b"Content-Length: 18446744073709551616"), (400,)),
    Raw("5,000 noughts", head(b"Content-Length: " + b"0" * 5000), (400,)),
    Raw("512,001 bytes", post(b" " * 512_001), (413,)),
    Raw("10 MB", post(b" " * 10_000_000), (413,)),
]

CHUNKS = [
    Raw("one byte each", chunked(b"".join(chunk(bytes([byte])) for byte in ONE) + b"0\r\n\r\n"), (200,)),
    Raw("no number", chunked(b"zz\r\n" + ONE), (400,)),
    Raw("below zero", chunked(b"-1\r\n" + ONE), (400,)),
    Raw("0x", chunked(b"0x5\r\naaaaa\r\n0\r\n\r\n"), (400,)),
    Raw("more than 64 bits", chunked(b"fffffffffffffffff\r\n"), (400,)),
    Raw("too small a size", chunked(b"3\r\naaaaa\r\n0\r\n\r\n"), (400,)),
    Raw("bare LFs", chunked(ENDED.replace(b"\r\n", b"\n")), (400,)),
    Raw("an extension", chunked(b"%x;a=b\r\n%s\r\n0\r\n\r\n" % (len(ONE), ONE)), (200,)),
    Raw("an extension without an end", chunked(b"5;" + b"a" * 1_000_000), (431,)),
    Raw("trailers", chunked(chunk(ONE) + b"0\r\nX: a\r\n\r\n"), (200,)),
    Raw("a key in a trailer", WITHOUT_KEY + chunk(ONE) + b"0\r\n" + KEY + b"\r\n", (401,)),
    Raw("an encoding in a trailer", chunked(chunk(ONE) + b"0\r\n" + ZIPPED + b"\r\n\r\n"), (200,)),
    Raw("an unknown encoding in a trailer", chunked(chunk(ONE) + b"0\r\nContent-Encoding: x\r\n\r\n"), (200,)),
    Raw("a length in a trailer", chunked(chunk(ONE) + b"0\r\nContent-Length: 600000\r\n\r\n"), (400,)),
    Raw("a close in a trailer", chunked(chunk(ONE) + b"0\r\nConnection: close\r\n\r\n"), (400,)),
    Raw("60 KB of trailers", chunked(chunk(ONE) + b"0\r\nX: " + b"a" * 60_000 + b"\r\n\r\n"), (200,)),
    Raw("66 KB of trailers", chunked(chunk(ONE) + b"0\r\nX: " + b"a" * 66_000 + b"\r\n\r\n"), (431,)),
    Raw("600 KB in the end", chunked(chunk(b" " * 1000) * 600 + b"0\r\n\r\n"), (413,)),
]

SMUGGLED = [
    Raw("length and chunks", chunked(ENDED, b"Content-Length: 5"), (400,)),
    Raw("length and chunks that end", chunked(b"0\r\n\r\n" + HEALTH, b"Content-Length: 6"), (400,)),
    Raw("chunks and length", head(b"Transfer-Encoding: chunked", b"Content-Length: 6") + b"0\r\n\r\nG", (400,)),
    Raw("chunked twice", chunked(b"0\r\n\r\n" + HEALTH, b"Transfer-Encoding: chunked"), (400,)),
    Raw("chunked, then something", head(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n", (400,)),
    Raw("something, then chunked", head(b"Transfer-Encoding: gzip, chunked") + ENDED, (200,)),
    Raw("nearly chunked", head(b"Transfer-Encoding: xchunked") + ENDED, (400,)),
    Raw("chunked with a tab", head(b"Transfer-Encoding:\tchunked") + ENDED, (200,)),
    Raw("chunked with \\v", head(b"Transfer-Encoding: \x0bchunked") + ENDED, (400,)),
    Raw("chunked for HTTP/1.0", head(b"Transfer-Encoding: chunked", first=b"POST /v1/batch HTTP/1.0") + ENDED, (200,)),
    Raw("a second request in the body", post(HEALTH), (400,)),
    Raw("less than the body", head(b"Content-Length: 0") + HEALTH, (400, 200)),
    Raw("behind Connection: close", post(ONE, b"Connection: close") + HEALTH, (200,)),
]

BODIES = [
    Raw("nothing", head(b"Content-Length: 0"), (400,)),
    Raw("gzip in gzip", post(gzip.compress(gzip.compress(ONE, mtime=0), mtime=0), ZIPPED), (400,)),
    Raw("a bomb in a bomb", post(gzip.compress(BOMB, mtime=0), ZIPPED), (400,)),
    Raw("a bomb", post(BOMB, ZIPPED), (413,)),
    Raw("zlib for gzip", post(zlib.compress(ONE), ZIPPED), (400,)),
    Raw("gzip and more gzip", post(gzip.compress(ONE, mtime=0) * 2, ZIPPED), (400,)),
    Raw("no gzip", post(ONE, ZIPPED), (400,)),
    Raw("gzip named twice", post(ONE, b"Content-Encoding: gzip, gzip"), (415,)),
    Raw("100,000 brackets", post(b"[" * 100_000 + b"]" * 100_000), (400,)),
    Raw("100,000 braces", post(b'{"a":' * 100_000), (400,)),
    Raw("60,000 members", post(event(b",".join(b'"%x":1' % n for n in range(55_000)))), (200,)),
    Raw("250,000 events", post(b'{"batch":[' + b"0," * 250_000 + b"0]}"), (400,)),
    Raw("150,000 objects", post(event(b'"a":[' + b"{}," * 150_000 + b"{}]")), (200,)),
    Raw("a member 50,000 times", post(event(b'"a":1,' * 50_000 + b'"a":1')), (200,)),
    Raw("a number of 400,000 digits", post(event(b'"a":' + b"9" * 400_000)), (200,)),
    Raw("a number beyond all", post(event(b'"a":1e999')), (200,)),
    Raw("NaN", post(event(b'"a":NaN')), (200,)),
    Raw("a NUL", post(event(b'"a":"\x00"')), (400,)),
    Raw("an escaped NUL", post(event(b'"a":"\\u0000"')), (200,)),
    Raw("half a surrogate", post(event(b'"a":"\\ud800"')), (200,)),
    Raw("no UTF-8", post(event(b'"a":"\xff"')), (200,)),
    Raw("UTF-16", post(ONE.decode().encode("utf-16")), (400,)),
    Raw("a byte order mark", post(b"\xef\xbb\xbf" + ONE), (200,)),
]

PIPELINED = [
    Raw("three", post() + HEALTH + post(), (200, 200, 200)),
    Raw("garbage behind it", HEALTH + b"\x00\x01\x02garbage\r\n\r\n", (400,)),
    Raw("a hundred", HEALTH * 100, (200,) * 100),
    Raw("a thousand", HEALTH * 1000, (429,)),
]

TABLE = {
    "method": METHODS,
    "version": VERSIONS,
    "address": ADDRESSES,
    "header": HEADERS,
    "length": LENGTHS,
    "chunk": CHUNKS,
    "smuggled": SMUGGLED,
    "body": BODIES,
    "pipelined": PIPELINED,
}
