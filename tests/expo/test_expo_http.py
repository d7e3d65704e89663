from __future__ import annotations

import socket
import threading

import pytest

from engine.expo.sending import UploadResponse, UploadResult, backoff, judge, post, retry_after
from engine.records import Secret
from tests.expo.collector_stub import NOW, Reply, Stub


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("9999", 300.0),
        ("9" * 5000, 300.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("Fri, 02 Jan 2026 03:04:15 GMT", 9.322),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2099 03:00:00 GMT", 300.0),
        ("Fri, 99 Jan 2026 03:00:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 1), (2, 2), (3, 4), (5, 16), (9, 256), (10, 300), (17, 300), (10_000, 300)]
)
def test_pauses_double_up_to_five_minutes_and_chance_decides_below(failures: int, longest: float) -> None:
    assert [backoff(failures, chance) for chance in (0.0, 0.5, 1.0)] == [0.0, longest / 2, longest]


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (UploadResponse(200, None, "{}"), UploadResult("sent")),
        (UploadResponse(202), UploadResult("sent")),
        (
            UploadResponse(301, None, "<html>"),
            UploadResult("again", "the collector returned 301 (a redirect: use its target as the endpoint)"),
        ),
        (
            UploadResponse(400, None, "Bad\n  Request"),
            UploadResult("dropped", "the collector returned 400 (Bad Request)"),
        ),
        (UploadResponse(401, "5", ""), UploadResult("dropped", "the collector returned 401")),
        (UploadResponse(404, None, "x" * 300), UploadResult("dropped", f"the collector returned 404 ({'x' * 200})")),
        (UploadResponse(408), UploadResult("again", "the collector returned 408")),
        (UploadResponse(413), UploadResult("dropped", "the collector returned 413")),
        (UploadResponse(429, "5"), UploadResult("again", "the collector returned 429", 5.0)),
        (UploadResponse(500), UploadResult("again", "the collector returned 500")),
        (UploadResponse(503, "0"), UploadResult("again", "the collector returned 503", 0.0)),
        (
            UploadResponse(400, None, "no key the-key, dGhlLWtleTo="),
            UploadResult("dropped", "the collector returned 400 (no key ***, ***)"),
        ),
    ],
)
def test_what_an_answer_means(answer: UploadResponse, verdict: UploadResult) -> None:
    assert judge(answer, NOW, Secret("the-key")) == verdict


def test_a_redirect_is_not_followed(stub: Stub) -> None:
    stub.replies = [Reply(302, {"Location": f"{stub.endpoint}/elsewhere"})]
    assert post(f"{stub.endpoint}/v1/batch", b'{"batch":[]}', {}, 5).status == 302
    assert [request.path for request in stub.requests] == ["/v1/batch"]


def test_what_is_no_http_is_a_failure_of_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"hello\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match=r"^no HTTP response \(BadStatusLine\)$"):
            post(f"http://127.0.0.1:{port}/v1/batch", b"{}", {}, 5)
        thread.join()


def test_a_silent_collector_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(TimeoutError):
        post(f"http://127.0.0.1:{server.getsockname()[1]}/v1/batch", b"{}", {}, 0.05)
