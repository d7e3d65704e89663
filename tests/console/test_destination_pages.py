"""The pages of destinations and the form over HTTP: the same text as `engine docs`, no secret, nothing that runs."""

from __future__ import annotations

import html
import re
import socket
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine.console.markdown import MarkdownBlock, MarkdownSpan, blocks, spans
from engine.console.pages.connections import BUSY, NOT_LOADED
from engine.console.security import READ_ONLY
from engine.console.site import Site
from engine.mapping.load import Library
from engine.pages.page import destination_page
from tests.console.connections import CONNECTIONS, SECRETS, site_of
from tests.console.harness import signed_in

SHIPPED = Library([]).names()
HOSTILE = """\
mapping: 1
name: hostile
title: "<script>alert(1)</script> \\u202e"
about: "See [here](javascript:alert(1)), <img src=x onerror=alert(1)>, `</code><b>` and <https://example.com/\\">."
settings:
  token: { title: "<i>T", about: "`<b>` & \\"quotes\\"", type: string, example: "\\"><script>x</script>" }
http: { base_url: "https://vendor.example" }
requests: { send: { method: POST, path: / } }
calls: { track: [{ request: send, fields: { a: { from: event }, t: { from: settings.token } } }] }
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("SLACK_URL", "https://hooks.slack.com/services/T0/B0/X")
    path = tmp_path / "connections.yaml"
    path.write_text(CONNECTIONS)
    return site_of(path)


def without_marks(text: str) -> str:
    """Return a text without spaces, and without the characters that Markdown may have as marks."""
    return "".join(re.sub(r"[`<>]", "", text.replace("&lt;", "")).split())


def text_of(page: str) -> str:
    """Return what people read of a page's title and article."""
    article = page[page.index("<h1") : page.index("</h1>")] + page[page.index("<article") : page.index("</article>")]
    return without_marks(html.unescape(re.sub(r"<[^>]*>", " ", article)))


def plain(markdown: str) -> str:
    """Return what people read of Markdown: no marks of headings and tables."""
    lines = [line for line in markdown.splitlines() if not line.startswith(("<!--", "|---", "```"))]
    rows = [re.sub(r"(?<!\\)\|", " ", line).replace("\\|", "|") if line.startswith("|") else line for line in lines]
    return without_marks("\n".join(re.sub(r"^#+ ", "", row) for row in rows))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_page_says_what_engine_docs_prints(name: str, site: Site) -> None:
    with signed_in(site) as client:
        answer = client.get(f"/destinations/{name}")
    assert answer.status_code == 200
    assert text_of(answer.text) == plain(destination_page(Library([]).load(name)))


MARKDOWN: dict[str, list[MarkdownBlock]] = {
    "# A `b`\n": [MarkdownBlock("h1", [MarkdownSpan("text", "A "), MarkdownSpan("code", "b")])],
    "1. `a`: b.\n": [MarkdownBlock("item", [MarkdownSpan("code", "a"), MarkdownSpan("text", ": b.")], number="1.")],
    "| a | b |\n|---|---|\n| `x \\| y` |  |\n\nz": [
        MarkdownBlock(
            "table",
            rows=[[[MarkdownSpan("text", "a")], [MarkdownSpan("text", "b")]], [[MarkdownSpan("code", "x | y")], []]],
        ),
        MarkdownBlock("paragraph", [MarkdownSpan("text", "z")]),
    ],
    "```json\n# no heading\n| no table |\n```\n": [
        MarkdownBlock("code", text="# no heading\n| no table |", language="json")
    ],
    "<!-- Made by `engine docs`. -->\n": [],
}


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown_becomes_blocks(text: str) -> None:
    assert list(blocks(text)) == MARKDOWN[text]


SPANS: dict[str, list[MarkdownSpan]] = {
    "`` a`b ``": [MarkdownSpan("code", "a`b")],
    "` ` `": [MarkdownSpan("code", " "), MarkdownSpan("text", " `")],
    "a &lt;b> & **c**": [MarkdownSpan("text", "a <b> & **c**")],
    "[x](javascript:y) <javascript:z>": [MarkdownSpan("text", "[x](javascript:y) <javascript:z>")],
    "<https://a.example/%3E>.": [MarkdownSpan("link", "https://a.example/%3E"), MarkdownSpan("text", ".")],
    "`<https://a.example>`": [MarkdownSpan("code", "<https://a.example>")],
    "`open": [MarkdownSpan("text", "`open")],
}


@pytest.mark.parametrize("text", SPANS)
def test_pieces_of_a_line(text: str) -> None:
    assert spans(text) == SPANS[text]


def test_the_list_says_who_uses_what(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "ours.yaml").write_text("mapping: 1\nname: ours\ntitle: Ours\nhttp: { base_url: 5 }\n")
    with signed_in(site_of(tmp_path / "connections.yaml", directories=(own,))) as client:
        page = client.get("/destinations").text
        broken = client.get("/destinations/ours").text
    rows = [
        " ".join(html.unescape(re.sub(r"<[^>]*>", " ", row)).split())
        for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    ]
    assert rows[1:3] == ["orders slack loaded", "hook webhook loaded"]
    assert rows[4].startswith(f"ours 2 problems ours {own}/ours.yaml none")
    assert "Slack slack shipped track, page, identify, screen, group orders New connection to Slack" in rows
    assert "This mapping has problems" in broken
    assert f"{own}/ours.yaml:4:" in html.unescape(broken)


def test_a_connections_file_with_problems_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("orders: {\n")
    with signed_in(site) as client:
        page = client.get("/destinations").text
        form = client.get("/connections/orders")
    assert "connections.yaml:1:9" in page
    assert "A quote or a bracket is not closed" in page
    assert (form.status_code, "A quote or a bracket is not closed" in form.text) == (422, True)


def test_a_hostile_mapping_is_text(site: Site, tmp_path: Path) -> None:
    (tmp_path / "hostile.yaml").write_text(HOSTILE)
    with signed_in(site_of(tmp_path / "connections.yaml", directories=(tmp_path,))) as client:
        pages = [
            client.get(path).text
            for path in ("/destinations", "/destinations/hostile", "/connections/new?destination=hostile")
        ]
    assert not any(each in page for page in pages for each in ("<script>alert", "<img", "<script>x", "<i>T", "\u202e"))
    assert not any(re.search(r'href="(?!/|#main|https://)', page) for page in pages)
    assert not any(re.search(r" (style|on\w+)=", page.replace("onerror=alert", "")) for page in pages)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[1]


def saved(client: TestClient, name: str, **typed: str) -> str:
    """Send the form of a connection as it is shown, with changes; return where it leads."""
    page = client.get(f"/connections/{name}").text
    shown = {
        html.unescape(key): html.unescape(value)
        for key, value in re.findall(r'<input[^>]* name="([^"]+)" value="([^"]*)"', page)
    }
    areas = re.findall(r'<textarea[^>]* name="([^"]+)".*?>\n(.*?)</textarea>', page, re.DOTALL)
    chosen = re.findall(r'name="calls" value="(\w+)" checked', page)
    form = {**shown, **{key: html.unescape(value) for key, value in areas}, "enabled": "on", **typed}
    form.pop("calls", None)
    answer = client.post(f"/connections/{name}", data={**form, "calls": chosen})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_form_is_saved_and_reloaded(site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "connections.yaml"
    caplog.set_level("INFO")
    with signed_in(site) as client:
        location = saved(client, "orders", rate_limit="5/s")
        page = client.get(location).text
        reloaded = client.post("/reload-connections", headers={"HX-Request": "true"}).text
    assert path.read_text() == CONNECTIONS.replace("  calls: [track]\n", "  calls: [track]\n  rate_limit: 5/s\n")
    assert location == "/connections/orders?saved=1&literals=&lost=0"
    assert "What runs is still the earlier version, until a reload." in page
    assert "<html" not in reloaded
    assert "<code>gone</code> removed; 1\u202f200 events wait in the outbox" in reloaded
    [line] = [each for each in caplog.records if each.message == "connection saved"]
    assert line.__dict__["fields"]["connection"] == "orders"


def test_a_reload_that_is_refused_shows_every_problem(tmp_path: Path, site: Site) -> None:
    async def refused() -> dict[str, object]:
        return {"result": "refused", "problems": ["connections.yaml:1:1\n  <b>", "b"]}

    with signed_in(site_of(tmp_path / "connections.yaml", reload=refused)) as client:
        page = client.post("/reload-connections").text
    assert "Nothing was reloaded." in page
    assert "connections.yaml:1:1\n  &lt;b&gt;" in page


def test_no_response_has_a_secret(site: Site, tmp_path: Path) -> None:
    """Of the file, of the environment, or typed by mistake."""
    typed = "sk-live-typed-by-mistake"
    form = {"name": "people", "destination": "user_com", "setting.api_key": typed, "enabled": "on", "calls": "track"}
    with signed_in(site) as client:
        answers = [client.get(f"/connections/{name}") for name in ("hook", "orders")]
        answers.append(client.get("/destinations"))
        answers.append(client.post("/connections/new", data=form))
        answers.append(client.post("/connection-yaml", data=form))
        answers.append(client.post("/connections/new", data={**form, "name": "hook"}))
        kept = {"digest": "old", "calls": "track", "enabled": "on", "when": "a["}
        for data in (kept, {**kept, "when": ""}, {**kept, "setting.url": typed}, {**kept, "setting.fields": "x"}):
            answers.append(client.post("/connections/hook", data=data))
            answers.append(client.post("/connection-yaml", data={**data, "connection": "hook"}))
    assert {answer.status_code for answer in answers} == {200, 409, 422}
    secrets = (*SECRETS, typed, "services/T0/B0/X")
    assert not [answer.url for answer in answers if any(secret in answer.text for secret in secrets)]
    assert (tmp_path / "connections.yaml").read_text() == CONNECTIONS


def test_a_read_only_console_shows_the_yaml_and_writes_nothing(site: Site, tmp_path: Path) -> None:
    with signed_in(site_of(tmp_path / "connections.yaml", read_only=True)) as client:
        shown = client.get("/connections/orders").text
        form = {
            "connection": "orders",
            "enabled": "on",
            "calls": "track",
            "rate_limit": "5/s",
            "setting.webhook_url": "X_Y",
        }
        refused = client.post("/connections/orders", data=form)
        yaml = client.post("/connection-yaml", data=form)
    assert 'action="/connection-yaml"' in shown
    assert ">Save<" not in shown
    assert (refused.status_code, READ_ONLY in html.unescape(refused.text)) == (403, True)
    assert (yaml.status_code, "  rate_limit: 5/s\n" in yaml.text) == (200, True)
    assert (tmp_path / "connections.yaml").read_text() == CONNECTIONS


def test_a_connection_without_a_file_gives_yaml(site: Site) -> None:
    with signed_in(Site(connections=site.connections)) as client:
        page = client.get("/connections/hook").text
    assert "This service has no connections file; name one with --connections." in page
    assert not any(secret in page for secret in SECRETS)


def test_what_is_not_there() -> None:
    with signed_in(Site()) as client:
        paths = ("/destinations/nope", "/destinations/slack.yaml", f"/destinations/{'x' * 3000}", "/connections/nope")
        answers = [client.get(path) for path in (*paths, "/connections/new?destination=..%2Fx", "/connections/new")]
    assert [answer.status_code for answer in answers] == [404] * 6
    assert "Unknown mapping nope" in answers[0].text


def test_one_check_at_a_time(site: Site, tmp_path: Path) -> None:
    """The vendor of the first takes the request and says nothing, until it hangs up."""
    (tmp_path / "slow.yaml").write_text(
        "mapping: 1\nname: slow\ntitle: Slow\nhttp: { base_url: 'https://slow.example' }\ncheck: ping\n"
        "requests: { ping: { method: GET, path: /ping }, send: { method: POST, path: / } }\n"
        "calls: { track: [{ request: send, fields: { a: { from: event } } }] }\n"
    )
    path = tmp_path / "slow_connections.yaml"
    with socket.create_server(("127.0.0.1", 0)) as vendor:
        port = vendor.getsockname()[1]
        path.write_text(f"slow: {{ destination: ./slow.yaml, base_url: 'http://127.0.0.1:{port}' }}\n")
        with signed_in(site_of(path, outbox_file=tmp_path / "outbox.db")) as client:
            results: list[str] = []
            first = threading.Thread(target=lambda: results.append(client.post("/connections/slow/check").text))
            first.start()
            taken, _ = vendor.accept()
            second = client.post("/connections/slow/check", headers={"HX-Request": "true"}).text
            taken.recv(100)
            taken.close()
            vendor.close()
            first.join()
            absent = client.post("/connections/nope/check").text
    assert BUSY in second
    assert "Not accepted." in results[0]
    assert NOT_LOADED in absent
