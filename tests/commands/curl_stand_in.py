"""The few options of curl that `--format curl` prints, for machines without curl: the shells are what is tested."""

from __future__ import annotations

import argparse
import http.client
import sys
from urllib.parse import urlsplit


def main() -> None:
    """Send one request as curl does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-X", dest="method", required=True)
    parser.add_argument("url")
    parser.add_argument("--globoff", action="store_true")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("--data-raw")
    parser.add_argument("--data-binary")
    given = parser.parse_args()
    body = sys.stdin.buffer.read() if given.data_binary == "@-" else None
    if given.data_raw is not None:
        body = given.data_raw.encode()
    headers = {"Accept": "*/*"}
    if body is not None:
        headers |= {"Content-Length": str(len(body)), "Content-Type": "application/x-www-form-urlencoded"}
    for header in given.headers:
        name, colon, value = header.partition(":")
        name = name if colon else name.rstrip(";")
        for known in [known for known in headers if known.lower() == name.lower()]:
            del headers[known]
        if value.strip() or not colon:
            headers[name] = value.strip()
    url = urlsplit(given.url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    connection.putrequest(given.method, url.path + (f"?{url.query}" if url.query else ""), skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    connection.getresponse().read()


if __name__ == "__main__":
    main()
