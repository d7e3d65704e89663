"""`engine diff`: what it prints in each format, where versions and events come from, and how it ends."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest

from engine.delivery.outbox.base import NewEvent
from engine.delivery.outbox.sqlite import SqliteOutbox
from engine.mapping import bundled
from tests.commands.conftest import Engine, event
from tests.docs.blocks import ROOT

Write = Callable[..., str]

EVENTS = (
    event(properties={"price": 5, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}),
    event("identify", traits={"email": "ann@example.com", "vip": True}),
    event("page", name="Cart"),
    event("screen", name="Cart"),
)
EDITS = {
    "price: {": "cost: {",
    "strict: settings.strict": 'strict: { const: "no" }',
    "lines: properties.lines": "lines: { each: properties.lines, value: { fields: { sku: item.sku, kind: { const: line } } } }",
    'Authorization: "Bearer': 'Authorization: "Key',
    "email: { from: traits.email, required: true }": "phone: { from: traits.phone, required: true }",
    "    - request: find_order\n      save: { order: body.id }\n": "",
    "  find_order:\n    path: /orders\n    method: GET\n": "",
    ", order: saved.order": "",
    "${saved.order}": "new",
}
TEXT = """\
shop  shop -> new/shop.yaml

add_customer  1 -> 0 requests
  - 1 request removed

add_event  1 request
  - body.lines[].n  removed from 1 request
      1  (events.ndjson:1)
  - body.price  removed from 1 request
      5  (events.ndjson:1)
  ! body.strict  type changed in 1 request
      false -> "no"  (events.ndjson:1)
  ~ headers.Authorization  changed in 1 request
      "Bearer ***" -> "Key ***"  (events.ndjson:1)
  + body.cost  added to 1 request
      5  (events.ndjson:1)
  + body.lines[].kind  added to 1 request
      "line"  (events.ndjson:1)

add_note  1 request
  - body.order  removed from 1 request
      "<saved.order>"  (events.ndjson:3)
  ~ headers.Authorization  changed in 1 request
      "Bearer ***" -> "Key ***"  (events.ndjson:3)
  ~ url  changed in 1 request
      "https://api.shop.example/orders/<saved.order>/notes"
      -> "https://api.shop.example/orders/new/notes"
      (events.ndjson:3)

find_order  1 -> 0 requests
  - 1 request removed

outcomes
  planned -> invalid  1 event
      phone is required but missing; tried traits.phone
      (calls.identify[0].fields.phone) (events.ndjson:2)

Breaking: 3 of 4 events differ.
"""
MARKDOWN = """\
### `shop`: breaking

`shop` → `new/shop.yaml`

Breaking: 1 of 1 event differs.

| request | field | change | requests | before | after |
| --- | --- | --- | --- | --- | --- |
| `add_event` | `body.note` | removed | 1 | <code>&#34;a &#124; b&#96; &#60;b&#62;&#64;team&#34;</code> |  |
"""


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[dict[str, str]], str]:
    """Return what writes another version of the mapping, and tells its path."""

    def write(edits: dict[str, str]) -> str:
        text = (tmp_path / "shop.yaml").read_text(encoding="utf-8")
        for old, new in edits.items():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new" / "shop.yaml").write_text(text, encoding="utf-8")
        return "new/shop.yaml"

    return write


def test_text(engine: Engine, events: Write, edited) -> None:
    done = engine("diff", "shop", edited(EDITS), "--events", events(*EVENTS), "--example-settings")
    assert done.out == TEXT
    assert (done.code, done.err) == (1, "")


def test_without_samples_no_value_of_an_event_is_shown(engine: Engine, events: Write, edited) -> None:
    words = ("diff", "shop", edited(EDITS), "--events", events(*EVENTS), "--example-settings", "--no-samples")
    for style in ("text", "json", "markdown"):
        out = engine(*words, "--format", style).out
        assert "body.price" in out
        assert "events.ndjson" not in out
        assert "***" not in out


def test_json_fits_its_schema(engine: Engine, events: Write, edited) -> None:
    words = ("diff", "shop", edited(EDITS), "--events", events(*EVENTS), "--example-settings", "--format", "json")
    schema = json.loads((ROOT / "schemas" / "diff.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    found = json.loads(engine(*words).out)
    jsonschema.validate(found, schema)
    jsonschema.validate(json.loads(engine(*words, "--no-samples").out), schema)
    assert found["verdict"] == "breaking"
    assert {key: found[key] for key in ("mapping", "old", "new", "events", "differing")} == {
        "mapping": "shop",
        "old": "shop",
        "new": "new/shop.yaml",
        "events": 4,
        "differing": 3,
    }
    assert found["fields"][1] == {
        "request": "add_event",
        "field": "body.price",
        "change": "removed",
        "requests": 1,
        "old": "5",
        "new": None,
        "event": "events.ndjson:1",
    }
    assert found["requests"][0] == {"request": "add_customer", "old": 1, "new": 0, "removed": 1, "added": 0}
    assert found["outcomes"][0]["events"] == 1


def test_nothing_in_a_value_ends_a_cell_of_markdown(engine: Engine, events: Write, edited) -> None:
    path = edited({"        note: properties.note\n": ""})
    given = events(event(properties={"note": "a | b` <b>@team"}))
    done = engine("diff", "shop", path, "--events", given, "--example-settings", "--format", "markdown")
    assert done.out == MARKDOWN


def test_a_comment_is_never_too_long(engine: Engine, events: Write, edited) -> None:
    fields = """      fields:
        email: { from: traits.email, required: true }
        vip: traits.vip
        tags: traits.tags
"""
    path = edited({fields: "      merge: [traits]\n"})
    edited_text = Path(path).read_text(encoding="utf-8")
    Path("shop.yaml").write_text(edited_text.replace("merge: [traits]", "merge: [context.traits]"))
    given = events(event("identify", traits={f"{number}|`\x1b[31m{'k' * 300}": "|`" * 50 for number in range(1200)}))
    for style, longest in (("markdown", 60_000), ("text", 60_000)):
        done = engine("diff", "shop", path, "--events", given, "--example-settings", "--format", style)
        assert len(done.out) < longest
        assert "\x1b" not in done.out
        assert "more fields not shown; --format json has all." in done.out
    assert done.code == 0, "all were added"


def test_exit_codes(engine: Engine, events: Write, edited) -> None:
    given = ("--events", events(*EVENTS), "--example-settings")
    assert engine("diff", "shop", "shop", *given)[:2] == (
        0,
        "shop  shop -> shop\n\nNo difference: 4 events, and each becomes the same requests.\n",
    )
    path = edited({"note: properties.note": "note: { const: 1 }"})
    added = engine("diff", "shop", path, *given)
    assert added.code == 0
    assert added.out.endswith("Additive: 1 of 4 events differs, only by new fields or requests.\n")
    assert engine("diff", "shop", path, *given, "--fail-on", "additive").code == 1
    assert engine("diff", path, "shop", *given).code == 1


def test_events_that_cannot_be_read_are_said_and_counted(engine: Engine, events: Write) -> None:
    done = engine("diff", "shop", "shop", "--events", events("{nope", EVENTS[0]), "--example-settings")
    assert done.code == 1
    assert done.err == "events.ndjson:1:2: not JSON: unexpected character, expected a string key\n"
    assert done.out.endswith("No difference: 1 event, and each becomes the same requests.\n")


def test_both_versions_get_the_settings_they_know(engine: Engine, events: Write, edited) -> None:
    path = edited(
        {
            "settings:\n": "settings:\n  extra: { title: Extra, type: string, example: other }\n",
            "key-of-the-example": "another-example",
            "note: properties.note": "note: settings.extra",
        }
    )
    given = ("diff", "shop", path, "--events", events(EVENTS[0]))
    done = engine(*given, "--example-settings")
    assert '"other"' in done.out
    assert "Authorization" not in done.out
    done = engine(*given, "--set", "extra=mine", "--set", "shop.api_key=k", "--set", "token=t")
    assert '"mine"' in done.out
    Path("s.yaml").write_text("shop: { api_key: k, token: t, extra: file }\n")
    assert '"file"' in engine(*given, "--settings", "s.yaml").out
    done = engine(*given, "--example-settings", "--set", "extr=1")
    assert (done.code, done.err) == (2, '--set: there is no setting "extr". Did you mean extra?\n')
    done = engine(*given)
    assert done.code == 2
    assert done.err.endswith("--example-settings uses the mapping's examples.\n")


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("shop", "shop"), "Name the events to compare with: either --events FILE or --outbox FILE.\n"),
    (
        ("shop", "shop", "--events", "e", "--outbox", "o"),
        "Name the events to compare with: either --events FILE or --outbox FILE.\n",
    ),
    (
        ("shop", "shop", "--events", "e", "--since", "1d"),
        "--since is for --outbox; all events of --events are compared.\n",
    ),
    (
        ("shop", "shop", "--outbox", "o", "--received-at", "2024-01-01"),
        "--received-at is for --events; an outbox knows when its events were received.\n",
    ),
    (("shop", "shopp", "--events", "empty.json"), "Unknown mapping shopp; did you mean shop?\n"),
    (("shop", "no.yaml", "--events", "empty.json"), "Mapping file no.yaml does not exist.\n"),
    (("shop", "shop", "--events", "empty.json"), "There are no events in empty.json, so nothing was compared.\n"),
    (
        ("shop", "shop", "--events", "no.json"),
        "File no.json does not exist; name a file of events, or - for standard input.\n",
    ),
    (("shop", "shop", "--outbox", "no.db"), "There is no outbox no.db; name one with --outbox.\n"),
    (
        ("shop", "shop", "--outbox", "no.db", "--since", "x"),
        (
            '"x" is not a time: write how long ago (30m, 2h, 7d), a time of day (14:30), or a date such as 2026-01-31 '
            "or 2026-01-31T12:00:00Z.\n"
        ),
    ),
    (
        ("git:main", "shop", "--events", "empty.json"),
        "git:main is not complete: write git:REV:path, such as git:main:mappings/shop.yaml.\n",
    ),
    (
        ("git:--output=x:shop.yaml", "shop", "--events", "empty.json"),
        "git:--output=x:shop.yaml: a revision does not begin with -.\n",
    ),
    (
        ("git:main:shop.yaml", "shop", "--events", "empty.json"),
        "Git cannot read a repository here: not a git repository (or any of the parent directories): .git.\n",
    ),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_usage(words: tuple[str, ...], message: str, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    Path("empty.json").write_text("")
    done = engine("diff", *words, "--example-settings")
    assert (done.code, done.out, done.err) == (2, "", message)


def test_a_mapping_with_problems(engine: Engine, events: Write, edited) -> None:
    path = edited({"note: properties.note": "note: { from: properties.note, as: nubmer }"})
    done = engine("diff", "shop", path, "--events", events(*EVENTS), "--example-settings")
    assert done.code == 1
    assert re.match(r"new/shop\.yaml:\d+:\d+  calls\.track\[0\]", done.err)
    assert done.out == ""


@pytest.fixture
def git(tmp_path: Path, engine: Engine) -> Callable[..., None]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        **{f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "GIT_CONFIG_GLOBAL": os.devnull,
    }

    def run(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, env=environment, capture_output=True, check=True)

    run("init", "-q", "-b", "main")
    return run


PART = "parts:\n  pid: userId\n"
USES_PART = {"mapping: 1": "mapping: 1\ninclude: [ids]", "note: properties.note": "note: parts.pid"}


def test_a_revision_with_what_it_includes_and_extends(engine: Engine, events: Write, edited, git) -> None:
    for folder in ("m/parts", "common"):
        Path(folder).mkdir(parents=True)
    Path("m/parts/ids.yaml").write_text(PART)
    Path("m/shop.yaml").write_text(Path(edited(USES_PART)).read_text())
    Path("common/base.yaml").write_text(Path("m/shop.yaml").read_text().replace("name: shop", "name: base", 1))
    Path("common/parts").mkdir()
    Path("common/parts/ids.yaml").write_text(PART)
    Path("m/child.yaml").write_text("mapping: 1\nname: child\nextends: base\n")
    git("add", ".")
    git("commit", "-qm", "first")
    for folder in ("m", "common"):
        Path(folder, "parts/ids.yaml").write_text(PART.replace("userId", "anonymousId"))
    given = ("--events", events(event(anonymousId="a1")), "--example-settings")
    for name, more in (("shop", ()), ("child", ("--mappings", "common"))):
        done = engine("diff", f"git:main:m/{name}.yaml", f"m/{name}.yaml", *given, *more)
        assert f"{name}  git:main:m/{name}.yaml -> m/{name}.yaml\n" in done.out
        assert '      "u1" -> "a1"  (events.ndjson:1)\n' in done.out
    os.chdir("m")
    assert engine(
        "diff", "git:HEAD:./shop.yaml", "shop.yaml", "--events", "../events.ndjson", "--example-settings"
    ).code


GIT_WRONG = [
    ("git:mian:shop.yaml", "Git knows no revision mian. Did you mean main?\n"),
    (
        "git:v9:shop.yaml",
        "Git knows no revision v9. A branch or tag that is not here has to be fetched first.\n",
    ),
    ("git:main:shp.yaml", "At main there is no file shp.yaml. Did you mean git:main:shop.yaml?\n"),
    (
        "git:main:no/shop.yaml",
        "At main there is no file no/shop.yaml. A path is from the top of the repository; ./path is from here.\n",
    ),
    ("git:main:../shop.yaml", "git:main:../shop.yaml leads out of the repository.\n"),
    ("git:main:/etc/shop.yaml", "git:main:/etc/shop.yaml leads out of the repository.\n"),
    ("git:main:link.yaml", "At main there is no file link.yaml. There is large.yaml, shop.yaml.\n"),
    ("git:main:shop.txt", "git:main:shop.txt is no mapping: its name does not end with .yaml.\n"),
    ("git:main:shop.yaml\n", "git:main:shop.yaml\\u000a is no mapping: its name does not end with .yaml.\n"),
]


@pytest.mark.parametrize(("old", "message"), GIT_WRONG, ids=range(len(GIT_WRONG)))
def test_a_revision_or_file_that_is_not_there(old: str, message: str, engine: Engine, events: Write, git) -> None:
    Path("link.yaml").symlink_to("/etc/passwd")
    Path("large.yaml").write_text("#" * 1024 * 1025)
    git("add", ".")
    git("commit", "-qm", "first")
    done = engine("diff", old, "shop", "--events", events(*EVENTS), "--example-settings")
    assert (done.code, done.out, done.err) == (2, "", message)


def test_problems_of_a_revision_name_it(engine: Engine, events: Write, git) -> None:
    Path("large.yaml").write_text("#" * 1024 * 1025)
    Path("wrong.yaml").write_text("name: wrong\nnope: 1\n")
    git("add", ".")
    git("commit", "-qm", "first")
    given = ("shop", "--events", events(*EVENTS), "--example-settings")
    done = engine("diff", "git:main:wrong.yaml", *given)
    assert done.code == 1
    assert "git:main:wrong.yaml:2:1  nope\n" in done.err
    done = engine("diff", "git:main:large.yaml", *given)
    assert done.code == 1
    assert done.err.startswith("git:main:large.yaml:1:1\n")


def test_reading_a_revision_runs_nothing_of_the_repository(engine: Engine, events: Write, git) -> None:
    Path(".gitattributes").write_text("*.yaml filter=evil diff=evil\n")
    git("add", ".")
    git("commit", "-qm", "first")
    for name in ("filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "core.pager", "core.fsmonitor"):
        git("config", name, "touch evil; cat")
    hook = Path(".git/hooks/post-checkout")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch evil\n")
    hook.chmod(0o755)
    assert engine("diff", "git:main:shop.yaml", "shop", "--events", events(*EVENTS), "--example-settings").code == 0
    assert not Path("evil").exists()


def stored(message_id: str, **fields) -> NewEvent:
    raw = json.dumps(event(messageId=message_id, **fields)).encode()
    return NewEvent("default", message_id, "2024-03-05T10:15:31Z", raw)


def test_an_outbox_is_only_read_also_while_it_is_written_to(engine: Engine, edited) -> None:
    path = edited({"price: {": "cost: {"})
    words = ("diff", "shop", path, "--outbox", "out.db", "--example-settings")
    with closing(SqliteOutbox("out.db")) as outbox:
        outbox.take_in([stored(f"old{n}", properties={"price": 1}) for n in range(3)], ["shop"], time.time() - 7200)
        outbox.take_in([stored("new", properties={"price": 2})], ["shop"], time.time())
        assert engine(*words).out.endswith("Breaking: 4 of 4 events differ.\n")
        since = engine(*words, "--since", "1h")
        assert "      2  (new)\n" in since.out
        assert since.out.endswith("Breaking: 1 of 1 event differs.\n")
        outbox.take_in([stored("more", properties={"price": 2})], ["shop"], time.time())
        assert engine(*words).out.endswith("Breaking: 5 of 5 events differ.\n")
    before = Path("out.db").read_bytes()
    assert engine(*words).code == 1
    assert Path("out.db").read_bytes() == before
    Path("out.db").chmod(0o400)
    assert engine(*words).code == 1
    done = engine(*words, "--since", "2100-01-01")
    assert done.err == "There are no events in out.db since 2100-01-01, so nothing was compared.\n"


def test_an_outbox_of_the_first_version_is_not_migrated(engine: Engine) -> None:
    from engine.delivery.outbox.file import VERSION_1

    with closing(sqlite3.connect("old.db")) as db:
        for statement in (*VERSION_1, "PRAGMA user_version = 1"):
            db.execute(statement)
        row = (*stored("m")[:3], time.time(), stored("m").raw)
        db.execute("INSERT INTO events (source, message_id, received_at, taken_at, raw) VALUES (?, ?, ?, ?, ?)", row)
        db.commit()
    assert engine("diff", "shop", "shop", "--outbox", "old.db", "--example-settings").code == 0
    with closing(sqlite3.connect("old.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


DAMAGE = {
    "not an outbox": lambda path: path.write_bytes(b"nothing of the kind" * 100),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "an event that is text": lambda path: changed(path, "UPDATE events SET raw = 'text'"),
    "newer": lambda path: changed(path, "PRAGMA user_version = 99"),
}


def changed(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_outbox_that_is_damaged(damage: str, engine: Engine) -> None:
    with closing(SqliteOutbox("out.db")) as outbox:
        outbox.take_in([stored("m")], ["shop"], time.time())
    DAMAGE[damage](Path("out.db"))
    before = Path("out.db").read_bytes()
    done = engine("diff", "shop", "shop", "--outbox", "out.db", "--example-settings")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("out.db ")
    assert Path("out.db").read_bytes() == before


def test_renaming_what_a_vendor_identifies_users_by_is_breaking(engine: Engine) -> None:
    shipped = bundled("mappings") / "user_com.yaml"
    text = shipped.read_text(encoding="utf-8")
    assert text.count("custom_id: parts.user_id") >= 1
    Path("user_com.yaml").write_text(text.replace(" custom_id: parts.user_id", " customer_id: parts.user_id"))
    sample = str(ROOT / "samples" / "web.ndjson")
    done = engine("diff", str(shipped), "./user_com.yaml", "--events", sample, "--example-settings")
    assert done.code == 1
    assert "  - body.custom_id  removed from 14 requests\n" in done.out
    assert "  + body.customer_id  added to 14 requests\n" in done.out
    assert done.out.endswith("Breaking: 14 of 15 events differ.\n")


def test_nothing_to_compare(engine: Engine, events: Write) -> None:
    words = ("diff", "shop", "shop", "--example-settings", "--events")
    ignored = events(*[event("alias", previousId="u0")] * 3)
    message = "Nothing to compare: none of 3 events becomes a request in either version.\n"
    assert engine(*words, ignored) == (2, "", message)
    message = "Nothing to compare: the only event becomes no request in either version.\n"
    assert engine(*words, events(event("alias", previousId="u0"))) == (2, "", message)
    done = engine(*words, events("{", "{"))
    assert (done.code, done.out, done.err.splitlines()[-1]) == (
        1,
        "",
        "No event could be read, so nothing was compared.",
    )
