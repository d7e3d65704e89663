"""The tools by themselves: what they answer, and what they refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from engine import __version__
from engine.assistant.tools import ToolError, Tools, _sections, answer
from engine.errors import WaybillError
from engine.mapping import bundled
from engine.records import Json, JsonObject

MAPPING = """\
mapping: 1
name: shop
title: Shop
about: A mapping of a test.
docs: https://example.com
settings:
  api_key: { title: API Key, type: string, secret: true, sent_in: body, example: k3y-of-example }
http: { base_url: "https://api.example.com" }
requests: { send: { path: /send } }
calls:
  track:
    - request: send
      fields: { key: settings.api_key, id: userId, total: { from: properties.total, as: number } }
examples:
  - title: An order
    event: { type: track, event: Bought, userId: u1, properties: { total: "1.5" } }
    expect: [send: { id: u1, total: 1.5 }]
"""
EVENT: JsonObject = {
    "type": "track",
    "event": "Bought",
    "userId": "u1",
    "properties": {"total": "2", "note": "s3cret!"},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "mappings").mkdir(parents=True)
    (root / "mappings" / "shop.yaml").write_text(MAPPING)
    (tmp_path / "other.yaml").write_text(MAPPING.replace("shop", "other"))
    (root / "mappings" / "link.yaml").symlink_to(tmp_path / "other.yaml")
    return root


def test_validate_a_file_and_a_text_that_is_not_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(root)
    assert tools.validate("mappings/shop.yaml") == {"valid": True, "problems": []}
    found = tools.validate("mappings/shop.yaml", MAPPING.replace("userId, total", "userid, total"))
    problem = cast("list[JsonObject]", found["problems"])[0]
    assert [problem[key] for key in ("file", "line", "column", "code", "fix")] == [
        *("mappings/shop.yaml", 13, 44, "unknown-field"),
        {"written": "userid", "better": "userId"},
    ]
    assert tools.validate("mappings/new.yaml", MAPPING.replace("name: shop", "name: new"))["valid"] is True
    assert tools.validate("shop")["valid"] is True
    (root / "mappings" / "shop.yaml").write_text(MAPPING.replace("userId, total", "userid, total"))
    monkeypatch.chdir(root.parent)
    problem = cast("list[JsonObject]", Tools(root).validate("shop")["problems"])[0]
    assert problem["file"] == "mappings/shop.yaml"
    assert not (root / "mappings" / "new.yaml").exists()


def test_run_masks_secrets(root: Path) -> None:
    found = Tools(root).run("shop", EVENT, {"api_key": "s3cret!"})
    requests = cast("list[JsonObject]", found["requests"])
    assert found["outcome"] == "planned"
    assert requests[0]["body"] == {"key": "***", "id": "u1", "total": 2}
    assert "s3cret" not in answer(found)
    assert "k3y-of-example" not in answer(Tools(root).run("shop", EVENT))


def test_explain_shows_files_below_the_root(root: Path) -> None:
    found = Tools(root).explain("shop", {**EVENT, "properties": {"total": "2", "file": "/a/b.yaml"}})
    assert found["file"] == "mappings/shop.yaml"
    assert str(root) not in answer(found)
    assert '"file":"mappings/shop.yaml","line":13' in answer(found)


def test_explain_masks_secrets(root: Path) -> None:
    found = Tools(root).explain("mappings/shop.yaml", EVENT, {"api_key": "s3cret!"})
    assert (found["outcome"], found["file"]) == ("planned", "mappings/shop.yaml")
    assert "s3cret" not in answer(found)


def test_the_examples(root: Path) -> None:
    assert Tools(root).test("shop") == {"examples": 1, "failed": [], "problems": []}
    (root / "mappings" / "shop.yaml").write_text(MAPPING.replace("total: 1.5 }", "total: 2 }"))
    found = Tools(root).test("shop")
    assert found["failed"] == ["An order"]
    assert cast("list[JsonObject]", found["problems"])[0]["message"] == '"total" is 1.5, not 2.'


def test_settings_are_never_read_from_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "from-the-environment")
    with pytest.raises(ToolError) as refused:
        Tools(root).run("shop", EVENT, {"api_key": "${env:SHOP_KEY}"})
    assert str(refused.value) == (
        "api_key: ${env:SHOP_KEY} is not resolved here: no environment is read. "
        "Write the value itself, or leave the setting out to take the mapping's example."
    )


SHIPPED = [path.stem for path in bundled("mappings").glob("*.yaml")]
OUTSIDE = "is outside of the folder that this server may read (--root)."


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../other.yaml", f"../other.yaml {OUTSIDE}"),
        ("/etc/passwd", f"/etc/passwd {OUTSIDE}"),
        ("mappings/link.yaml", f"mappings/link.yaml {OUTSIDE}"),
        ("link", "link.yaml leads outside of the folder that this server may read (--root)."),
        ("shap", "Unknown mapping shap; did you mean shop?"),
        ("linc", "Unknown mapping linc; available: " + ", ".join(sorted([*SHIPPED, "shop"]))),
        ("mappings/shop.txt", "mappings/shop.txt is not a mapping; mappings are files that end in .yaml."),
        ("mappings/none.yaml", "There is no file mappings/none.yaml below the folder of this server (--root)."),
        ("a\0/b.yaml", '"a\\u0000/b.yaml" is not a path.'),
    ],
)
def test_what_is_not_read(root: Path, name: str, message: str) -> None:
    with pytest.raises(WaybillError) as refused:
        Tools(root).test(name)
    assert str(refused.value) == message


def test_a_link_that_is_extended_or_included_is_not_followed(root: Path, tmp_path: Path) -> None:
    child = "mapping: 1\nname: child\ntitle: Child\nextends: link\n"
    with pytest.raises(ToolError, match=r"link.yaml leads outside"):
        Tools(root).validate("mappings/child.yaml", child)
    (tmp_path / "parts.yaml").write_text("about: Secret.\nparts: { a: userId }\n")
    (root / "mappings" / "parts").mkdir()
    (root / "mappings" / "parts" / "stolen.yaml").symlink_to(tmp_path / "parts.yaml")
    with pytest.raises(ToolError, match=r"stolen.yaml leads outside"):
        Tools(root).validate("mappings/shop.yaml", MAPPING + "include: [stolen]\n")


def test_a_mapping_with_problems_does_not_run(root: Path) -> None:
    (root / "mappings" / "shop.yaml").write_text(MAPPING.replace("id: userId", "id: userid"))
    with pytest.raises(ToolError) as refused:
        Tools(root).run("shop", EVENT)
    assert str(refused.value) == (
        "This mapping has problems; correct them first (the tool `validate` has all):\n"
        'mappings/shop.yaml:13:44 A track call has no field "userid". Did you mean userId? '
        "If you mean the text itself, write { const: userid }."
    )


def test_what_is_too_large(root: Path) -> None:
    with pytest.raises(ToolError, match=r"^This event has 600,\d\d\d bytes; the limit is 524,288\.$"):
        Tools(root).run("shop", {**EVENT, "context": {"x": "a" * 600_000}})
    with pytest.raises(ToolError, match=r"^The answer has 60,\d\d\d characters; the limit is 60,000\. "):
        answer({"x": "a" * 60_100})


@pytest.mark.parametrize("event", [{"type": "track", "x": "\ud800"}, {"type": "nothing"}, {}, {"type": 10**30}])
def test_events_that_are_none(root: Path, event: JsonObject) -> None:
    assert Tools(root).run("shop", event)["outcome"] in ("invalid", "planned")


def test_functions_are_found_by_what_they_do_and_by_other_names(root: Path) -> None:
    def names(query: str) -> list[Json]:
        found = cast("list[JsonObject]", Tools(root).search_functions(query)["functions"])
        return [each["name"] for each in found]

    assert names("lower") == ["lowercase"]
    assert names("unix seconds")[0] == "unix_seconds"
    assert names("hash") == ["sha256", "md5", "sha1"]
    assert names("xyzzy") == []
    with pytest.raises(ToolError, match="Write some words"):
        names("?!")


def test_documentation_is_found(root: Path) -> None:
    sections = cast("list[JsonObject]", Tools(root).search_docs("for_each loop over a list")["sections"])
    assert len(sections) == 8
    assert all(len(str(each["text"])) <= 4000 for each in sections)
    assert "language" in [each["page"] for each in sections]
    batches = cast("list[JsonObject]", Tools(root).search_docs("batch results")["sections"])[0]
    assert (batches["page"], batches["title"]) == ("language", "Batches")
    titles = [section.title for section in _sections()]
    assert "Personal data" in titles
    assert not any(title.startswith("identify") for title in titles), "a comment in a block of code is no heading"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, 'The argument "mapping" is missing. The argument "event" is missing.'),
        (
            {"mapping": "shop", "event": "s3cret"},
            'The argument "event" is wrong: input should be a valid dictionary.',
        ),
    ],
)
def test_wrong_arguments_are_named(root: Path, arguments: dict[str, Any], message: str) -> None:
    from engine.assistant.server import server

    with pytest.raises(Exception, match=r"^The tool run was not called") as refused:
        asyncio.run(server(root).call_tool("run", arguments))
    assert str(refused.value) == f"The tool run was not called. {message}"


def test_the_version_is_that_of_waybill(root: Path) -> None:
    from engine.assistant.server import server

    assert server(root).version == __version__
