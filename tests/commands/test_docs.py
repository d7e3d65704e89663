"""`engine docs`: pages of the documentation, and pages made from mappings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.mapping import bundled
from engine.pages.field_table import field_table
from engine.pages.folder import INDEX
from engine.pages.wording import PageScope
from tests.commands.conftest import Engine
from tests.runners import load

NEWSLETTER = """\
mapping: 1
name: newsletter
title: Newsletter
settings:
  api_key: { title: API Key, type: string, secret: true, example: key-1 }
http: { base_url: https://api.newsletter.example, headers: { X-Key: "${settings.api_key}" } }
requests: { subscribe: { path: /subscribers } }
calls: { identify: [{ request: subscribe, fields: { email: traits.email } }] }
examples:
  - title: A subscriber
    event: { type: identify, messageId: m1, userId: u1, timestamp: 2024-03-05T10:15:30Z, traits: { email: a@b.example } }
    expect: [{ subscribe: { email: a@b.example } }]
"""
PAGE = """\
# Newsletter

<!-- Made by `engine docs`. Do not edit: change the mapping, and make it again. -->

Mapping: `newsletter`. In `integrations` of an event: `Newsletter`.

## Settings

| setting | title | type | required | default | secret | about |
|---|---|---|---|---|---|---|
| `api_key` | API Key | text | yes |  | yes | Example: `key-1`. |

## Every request

| part | value |
|---|---|
| address | `https://api.newsletter.example` |
| header `X-Key` | `${settings.api_key}` |

## Limits

| limit | value |
|---|---|
| rate | none known |
| time of a request | `30s` |
| retries | for 24h: after 1s, then twice as long, at most 5m |
| body | 1,048,576 bytes |

## Calls

### identify

1. `subscribe`: `POST` `/subscribers`.

| field | from | conversions | condition |
|---|---|---|---|
| `email` | `traits.email` |  |  |

## What responses mean

Where no rule matches: 2xx is accepted; 408, 425, 429, 5xx and lost connections are retried; 401, 402 and 403 stop the \
connection; everything else is rejected.

## Examples

What the engine sends for examples of the mapping, with the example settings; `***` is a secret.

### A subscriber

```json
{
  "type": "identify",
  "messageId": "m1",
  "userId": "u1",
  "timestamp": "2024-03-05T10:15:30Z",
  "traits": {
    "email": "a@b.example"
  }
}
```

```http
POST https://api.newsletter.example/subscribers
Content-Type: application/json
X-Key: ***

{
  "email": "a@b.example"
}
```
"""


IN_THE_WAY = (
    "Not made by engine docs, so not replaced: pages/newsletter.md. Nothing was written. Move it away, or choose "
    "another folder with --output.\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "own"
    made.mkdir()
    (made / "newsletter.yaml").write_text(NEWSLETTER)
    return made


def test_a_mapping_is_a_page(engine: Engine, folder: Path) -> None:
    assert engine("docs", "own/newsletter.yaml") == (0, PAGE, "")


def test_the_name_of_a_page_is_that_page(engine: Engine) -> None:
    Path("language.yaml").write_text(NEWSLETTER.replace("newsletter", "language", 1))
    language = (bundled("docs") / "language.md").read_text(encoding="utf-8")
    assert engine("docs", "language").out == language
    assert engine("docs", "docs/language.md").out == language
    assert engine("docs", "./language.yaml").out.startswith("# Newsletter\n")
    assert engine("docs", "destinations").out.startswith("# Destinations\n")
    assert engine("docs").out.startswith("# Documentation\n")


@pytest.mark.parametrize(
    ("words", "code", "err"),
    [
        (["langauge"], 2, 'There is no page and no mapping "langauge". Did you mean language?\n'),
        (["user_comm"], 2, 'There is no page and no mapping "user_comm". Did you mean user_com?\n'),
        (["gone.yaml"], 2, "Mapping file gone.yaml does not exist.\n"),
        (["shop", "--check"], 2, "--check needs --output FOLDER: the folder with the pages to check.\n"),
        (["empty"], 2, "There are no mappings (*.yaml) in empty.\n"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_found(engine: Engine, words: list[str], code: int, err: str) -> None:
    Path("empty").mkdir()
    assert engine("docs", *words) == (code, "", err)


def test_a_mapping_with_problems_has_no_page(engine: Engine, folder: Path) -> None:
    (folder / "newsletter.yaml").write_text(NEWSLETTER.replace("traits.email", "trais.email", 1))
    done = engine("docs", "own", "--output", "pages")
    assert (done.code, done.out, Path("pages").exists()) == (1, "", False)
    assert done.err.startswith("own/newsletter.yaml:8:60  calls.identify[0].fields.email\n")


def test_pages_are_written_checked_and_removed(engine: Engine, folder: Path) -> None:
    wanted = ("docs", "own", "--output", "pages")
    checked = engine(*wanted, "--check")
    assert (checked.code, checked.out.splitlines()) == (
        1,
        [
            f"pages/{INDEX} is missing.",
            "pages/newsletter.md is missing.",
            "Make them again: the same command without --check.",
        ],
    )
    assert engine(*wanted).out == f"wrote pages/{INDEX}\nwrote pages/newsletter.md\n2 pages, 2 written, 0 removed.\n"
    assert engine(*wanted).out == "2 pages, 0 written, 0 removed.\n"
    assert engine(*wanted, "--check") == (0, "2 pages up to date.\n", "")
    Path("pages/notes.md").write_text("# Our notes\n")
    (folder / "news.yaml").write_text(NEWSLETTER.replace("newsletter", "news", 1))
    (folder / "newsletter.yaml").unlink()
    assert engine(*wanted, "--check").out.splitlines()[:-1] == [
        f"pages/{INDEX} is out of date.",
        "pages/news.md is missing.",
        "pages/newsletter.md is of no mapping any more.",
    ]
    assert engine(*wanted).out.splitlines()[-2:] == ["removed pages/newsletter.md", "2 pages, 2 written, 1 removed."]
    assert sorted(path.name for path in Path("pages").iterdir()) == [INDEX, "news.md", "notes.md"]


def test_the_index_is_a_matrix(engine: Engine, folder: Path) -> None:
    assert engine("docs", "own").out.splitlines()[-3:] == [
        "| destination | mapping | `identify` |",
        "|---|---|---|",
        "| [Newsletter](newsletter.md) | `newsletter` | `subscribe` |",
    ]


def test_texts_of_a_mapping_are_no_markup(engine: Engine, folder: Path) -> None:
    text = NEWSLETTER.replace("title: Newsletter", 'title: "<b>News</b> \\u001b[31m\\n## Free"')
    text = text.replace("email: traits.email", '"a`|b": { const: "`` x | ``" }').replace("email: a@b.example", "", 1)
    (folder / "newsletter.yaml").write_text(text.replace("subscribe: {  }", "subscribe: {}").partition("examples:")[0])
    page = engine("docs", "own/newsletter.yaml").out
    assert page.startswith("# &lt;b>News&lt;/b> \\u001b[31m ## Free\n")
    assert "| ``a`\\|b`` | always ``` `` x \\| `` ``` |  |  |" in page


WORDED = {
    "[traits.a, properties.url, context.b]": ("`traits.a`, else `context.b`", ""),
    "parts.url": ("`context.page.url`", ""),
    "[{ from: parts.name, as: first_word }, context.b]": (
        "`first_word` of `traits.name` or `context.traits.name`, else `context.b`",
        "",
    ),
    "[{ from: parts.name, as: [trim, first_word], when: userId }, context.b]": (
        "`first_word` of `trim` of (`traits.name` or `context.traits.name`) (when `userId`), else `context.b`",
        "",
    ),
    "[context.b, { from: traits.a, default: 1 }]": ("`context.b`, else `traits.a` (default `1`)", ""),
    "[context.b, { from: traits.a, as: { truncate: 3 } }]": ("`context.b`, else `truncate` `3` of `traits.a`", ""),
    "{ from: [properties.a, traits.b], as: trim }": ("`traits.b`", "`trim`"),
    "{ from: traits.a, map: { m: 1 }, ignore_case: true }": ("`traits.a`", "`m` → `1`, case is ignored"),
}


@pytest.mark.parametrize("written", WORDED)
def test_a_value_in_words(written: str) -> None:
    """What is done to one alternative is seen to be done to it; what identify calls do not have is left out."""
    parts = "parts:\n  name: [traits.name, context.traits.name]\n  url: [properties.url, context.page.url]\n"
    loaded = load(NEWSLETTER.replace("email: traits.email", f"email: {written}") + parts, "newsletter")
    (step,) = loaded.mapping.calls["identify"]
    row = list(field_table(PageScope.of(loaded.mapping, "identify"), step))[2]
    assert tuple(row.split(" | ")[1:3]) == WORDED[written]


@pytest.mark.parametrize(
    "kind", ["a file of ours", "a link out of the folder", "a link to nothing", "a pipe", "a folder"]
)
def test_what_it_did_not_make_is_left_alone(engine: Engine, folder: Path, kind: str) -> None:
    page, outside = Path("pages/newsletter.md"), Path("outside.md")
    page.parent.mkdir()
    if kind == "a file of ours":
        page.write_text("# By hand\n")
    elif kind.startswith("a link"):
        page.symlink_to("../outside.md")
        if kind == "a link out of the folder":
            outside.write_text(PAGE.replace("Newsletter", "Other"))
    elif kind == "a pipe":
        os.mkfifo(page)
    else:
        page.mkdir()
    before = outside.read_text() if outside.exists() else None
    assert engine("docs", "own", "--output", "pages") == (
        2,
        "",
        IN_THE_WAY,
    )
    assert [path.name for path in page.parent.iterdir()] == ["newsletter.md"]
    assert (outside.read_text() if outside.exists() else None) == before
    assert kind != "a file of ours" or page.read_text() == "# By hand\n"
