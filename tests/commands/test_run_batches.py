"""`engine run` shows a request that travels in a batch in it, as delivery sends it for that event alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import HERE, Done, event

THREE = event(properties={"shop": "a b", "rows": ["x", "y", "z"]})

TEXT = """\
track "Viewed" of u1  events.ndjson:1
  rows  planned  4 requests
    add_note: POST http://127.0.0.1:1/note
      Content-Type: application/json
      Authorization: Bearer ***
      {"name": "Viewed"}
    2 x add_row in all: PUT http://127.0.0.1:1/shops/a%20b
      Content-Type: application/json
      Authorization: Bearer ***
      X-Shop: a b
      {
        "shop": "a b",
        "rows": [
          {"kind": "row", "data": {"n": 0, "text": "x"}},
          {"kind": "row", "data": {"n": 1, "text": "y"}}
        ]
      }
    add_row in all: PUT http://127.0.0.1:1/shops/a%20b
      Content-Type: application/json
      Authorization: Bearer ***
      X-Shop: a b
      {"shop": "a b", "rows": [{"kind": "row", "data": {"n": 2, "text": "z"}}]}
"""

CURL = """\
curl -X POST http://127.0.0.1:1/note -H 'Content-Type: application/json' -H 'Authorization: Bearer ***' -H \
'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill' --data-raw '{"name":"Viewed"}'
curl -X PUT 'http://127.0.0.1:1/shops/a%20b' -H 'Content-Type: application/json' -H 'Authorization: Bearer ***' -H \
'X-Shop: a b' -H 'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill' --data-raw \
'{"shop":"a b","rows":[{"kind":"row","data":{"n":0,"text":"x"}},{"kind":"row","data":{"n":1,"text":"y"}}]}'
curl -X PUT 'http://127.0.0.1:1/shops/a%20b' -H 'Content-Type: application/json' -H 'Authorization: Bearer ***' -H \
'X-Shop: a b' -H 'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill' --data-raw \
'{"shop":"a b","rows":[{"kind":"row","data":{"n":2,"text":"z"}}]}'
"""


@pytest.fixture
def run(engine: Callable[..., Done], events: Callable[..., str], tmp_path: Path) -> Callable[..., Done]:
    """Return what shows events of the mapping `rows`, changed by `replacing` one text by another."""

    def show(*words: str, given: object = THREE, replacing: tuple[str, str] = ("", "")) -> Done:
        text = (HERE / "mappings/rows.yaml").read_text(encoding="utf-8")
        assert replacing[0] in text
        (tmp_path / "rows.yaml").write_text(text.replace(*replacing) if replacing[0] else text, encoding="utf-8")
        return engine("run", "rows", "--example-settings", "--events", events(given), *words)

    return show


def test_text_shows_each_batch_once_with_the_requests_in_it(run: Callable[..., Done]) -> None:
    assert run().out == TEXT


def test_headers_can_be_left_out(run: Callable[..., Done]) -> None:
    names = ("Content-Type:", "Authorization:", "X-Shop:")
    kept = [line for line in TEXT.splitlines(keepends=True) if not line.strip().startswith(names)]
    assert run("--no-headers").out == "".join(kept)


@pytest.mark.parametrize("style", ["ndjson", "curl"])
def test_other_formats_always_have_the_headers(run: Callable[..., Done], style: str) -> None:
    message = f"--no-headers is for text; --format {style} always has the headers.\n"
    assert run("--no-headers", "--format", style) == Done(2, "", message)


def test_curl_has_a_command_for_each_batch(run: Callable[..., Done]) -> None:
    assert run("--format", "curl").out == CURL


def test_ndjson_has_the_batch_beside_the_first_of_its_requests(run: Callable[..., Done]) -> None:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer ***", "X-Shop": "a b"}
    address = {"method": "PUT", "url": "http://127.0.0.1:1/shops/a%20b", "headers": headers, "query": {}}
    items = [{"kind": "row", "data": {"n": number, "text": text}} for number, text in enumerate("xyz")]
    note, *rows = json.loads(run("--format", "ndjson").out)["requests"]
    assert "batch" not in note
    assert rows == [
        {"request": "add_row", **address, "body": items[0]["data"], "batch": {"name": "all", **address, "body": body}}
        if isinstance(body, dict)
        else {"request": "add_row", **address, "body": items[1]["data"], "batch": {"name": "all", "beside": body}}
        for body in ({"shop": "a b", "rows": items[:2]}, 1)
    ] + [
        {
            "request": "add_row",
            **address,
            "body": items[2]["data"],
            "batch": {"name": "all", **address, "body": {"shop": "a b", "rows": items[2:]}},
        }
    ]


def test_what_a_batch_leaves_out_is_reported(run: Callable[..., Done]) -> None:
    done = run(replacing=("shop: group,", "shop: { from: group, as: number },"))
    assert 'batches.all.fields.shop: "a b" was left out: not a number' in done.out
    assert done.code == 0


@pytest.mark.parametrize(
    ("given", "replacing", "reason"),
    [
        (
            event(properties={"shop": {"a": 1}, "rows": ["x"]}),
            ("", ""),
            "rows[0]: group_by must be text, a number or a boolean, not an object (batches.all.group_by)",
        ),
        (
            event(properties={"rows": ["x"]}),
            ("{ from: properties.shop, default: none }", "[properties.shop, anonymousId]"),
            "rows[0]: group_by has no value; tried properties.shop, anonymousId (batches.all.group_by)",
        ),
        (
            event(properties={"shop": "é", "rows": ["x"]}),
            ("", ""),
            (
                "rows[0]: a header cannot contain control characters or characters outside ASCII "
                '(batches.all.headers["X-Shop"])'
            ),
        ),
        (
            event(properties={"shop": "a", "rows": [None]}),
            ("data: body", "data: { from: body.text, required: true }"),
            "rows[0]: data is required but missing; tried body.text (requests.add_row.item.fields.data)",
        ),
    ],
    ids=["object", "absent", "header", "item"],
)
def test_what_cannot_be_put_into_its_batch_is_invalid(
    run: Callable[..., Done], given: object, replacing: tuple[str, str], reason: str
) -> None:
    done = run("--format", "ndjson", given=given, replacing=replacing)
    shown = json.loads(done.out)
    assert (shown["outcome"], shown["reason"], shown["requests"], done.code) == ("invalid", reason, [], 1)


def test_a_compressed_body_is_shown_as_it_was_before(run: Callable[..., Done]) -> None:
    compress = ("http:\n", "http:\n  compress: gzip\n")
    [request] = json.loads(run("--format", "ndjson", given=event(), replacing=compress).out)["requests"]
    assert (request["headers"]["Content-Encoding"], request["body"]) == ("gzip", {"name": "Viewed"})
    assert run("--format", "curl", given=event(), replacing=compress).out == (
        """printf '{"name":"Viewed"}' | gzip -n -1 | curl -X POST http://127.0.0.1:1/note """
        "-H 'Content-Type: application/json' -H 'Authorization: Bearer ***' -H 'Content-Encoding: gzip' "
        "-H 'Accept-Encoding: identity' -H 'Connection: keep-alive' -H 'User-Agent: waybill' --data-binary @-\n"
    )
