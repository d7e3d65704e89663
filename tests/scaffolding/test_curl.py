"""Curl commands of vendors' pages become clean mappings, and nothing secret of them is written anywhere."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UsageError
from engine.scaffolding import curl
from engine.scaffolding.outline import Outline
from tests.scaffolding.made import from_curl
from tests.yaml_files import read_yaml

CASES = read_yaml(Path(__file__).parent / "curl.yaml")
SECRET = "Zq7SeCrEtVaL9x8y"
SHORT = "S3CRETz9qKey"
WITHOUT_SETTING = {"a proxy, a certificate", "JSON in a form", "the key of a form"}
"""What is not copied, and for which the mapping's author decides what takes its place."""
POST = "curl https://api.acme.io/events "


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_a_command_becomes_a_mapping(case: dict[str, Any]) -> None:
    made = from_curl(case["command"])
    assert made.problems == []
    assert SECRET not in made.text
    [[step]] = made.value["calls"].values()
    given = {**made.value, "step": step, "fields": step.get("fields"), "notes": made.notes}
    given["calls"] = list(made.value["calls"])
    assert set(case.get("lines", ())) <= {line.strip() for line in made.text.splitlines()}
    for key in case.keys() - {"title", "command", "lines"}:
        found = given[key]
        assert ({name: found[name] for name in case[key]} if key == "http" else found) == case[key]
    if "notes" not in case:
        assert made.notes == []


SECRETS = {
    "-u": f"{POST} -u {SECRET}:{SECRET}",
    "-u without a password": f"{POST} -u {SECRET}",
    "bearer": f"{POST} -H 'Authorization: Bearer {SECRET}'",
    "an unknown scheme": f"{POST} -H 'Authorization: hunter2 {SECRET}'",
    "basic": f"{POST} -H 'Authorization: Basic Zm9vOlpxN1NlQ3JFdFZhTDl4OHk='",
    "basic that is not base64": f"{POST} -H 'Authorization: Basic {SECRET}'",
    "a header by its name": f"{POST} -H 'X-Shop-Secret: {SECRET}'",
    "a header by its value": f"{POST} -H 'X-Shop: sk_live_{SECRET}'",
    "a query": f"curl 'https://api.acme.io/events?access_token={SECRET}'",
    "a query, encoded": f"curl 'https://api.acme.io/events?access%5ftoken={SECRET}'",
    "--url-query": f"{POST} --url-query 'key={SECRET}'",
    "-G": f"{POST} -G -d token={SECRET}",
    "the user of the address": f"curl https://{SECRET}:{SECRET}@api.acme.io/events",
    "a cookie": f"{POST} -b 'sid={SECRET}; b={SECRET}'",
    "a cookie header": f"{POST} -H 'Cookie: sid={SECRET}'",
    "--oauth2-bearer": f"{POST} --oauth2-bearer {SECRET}",
    "a JSON body": f"{POST} -d '{json.dumps({'a': [{'b': {'client_secret': SECRET}}], 'c': f'x {SECRET}'})}'",
    "a form": f"{POST} -d auth_token={SECRET} -d a={SECRET}",
    "a token alone in a form": f"{POST} -d 'a=1&token={SHORT}'",
    "a form, twice": f"{POST} -d token={SHORT} -d token=y",
    "JSON in a form": f"{POST} --data-urlencode 'payload={json.dumps({'token': SHORT})}'",
    "a token alone in JSON": f"{POST} --json '{json.dumps({'token': SHORT, 'a': 1})}'",
    "the key of a form": f"{POST} -d a=1 -d key={SHORT}",
    "a short segment": f"curl https://api.acme.io/hook/T00/B00/{SHORT} -d a=1",
    "a segment with a colon": f"curl https://api.acme.io/bot123456:{SHORT}/send -d a=1",
    "everywhere": f"curl https://api.acme.io/{SECRET}/x?a={SECRET} -H 'X-A: {SECRET}' -u {SECRET} "
    f"--json '{json.dumps({'a': SECRET, SECRET: 1, 'b': [SECRET], 'c': {'d': SECRET}})}'",
    "a proxy, a certificate": f"{POST} -x http://u:{SECRET}@proxy --proxy-user u:{SECRET} -E cert:{SECRET} --pass {SECRET}",
}


def test_a_credential_is_written_nowhere() -> None:
    """All of them in one mapping, and each alone as far as the outline goes, which is all that is written from."""
    made = from_curl(*SECRETS.values(), calls=("track",))
    assert made.problems == []
    assert [
        line
        for line in [*made.text.splitlines(), *made.notes]
        if any(each in line for each in (SECRET, SHORT, "hunter2"))
    ] == []
    for title, command in SECRETS.items():
        outline = Outline("acme", "Acme")
        curl.read(command, outline)
        assert SECRET not in str(outline), title
        assert SHORT not in str(outline), title
        assert any(setting.secret for setting in outline.settings.values()) or title in WITHOUT_SETTING, title


NO_COLON = 'A header (-H) of the curl command has no colon; write it as -H "Name: value".'
REFUSED = {
    f"wget https://x?k={SECRET}": "That is not a curl command: `curl` is not among its first words.",
    f"curl -H 'a: {SECRET}": "The curl command has a quote that is not closed; copy it whole.",
    f"curl --frobnicate={SECRET} x": "The curl command cannot be read: --frobnicate is not an option of curl.",
    f"curl -*{SECRET}": "The curl command cannot be read: one of its options is not an option of curl.",
    f"curl {SECRET}.io -H": "The curl command cannot be read: -H needs a value.",
    f"curl -d {SECRET}": "The curl command has no address; write it as https://host/path.",
    f"curl ftp://x.io/{SECRET}": "The address of the request must begin with https:// or http://.",
    f"curl 'https://[{SECRET}/'": "The address of the request cannot be read; write it as https://host/path.",
    f"curl 'https://a b/{SECRET}'": (
        "The address of the request has no host that could be one; write it as https://host/path."
    ),
    f"curl -X {SECRET} https://x.io": "The curl command has a method (-X) that HTTP does not have, such as POST.",
    f'curl ^"https://x.io/{SECRET}^"': (
        "This looks like a command of Windows' cmd. Copy it in its form for bash (in a browser: Copy as cURL (bash))."
    ),
    f"curl x.io/\0{SECRET}": "The curl command has a null character; copy it again.",
    "curl x.io -d " + "x" * curl.LONGEST: "The curl command has 262,157 characters; at most 262,144 are read.",
    f"curl https://x.io -H 'Authorization Bearer {SECRET}'": NO_COLON,
    f"curl https://x.io -H 'Authorization Bearer: {SECRET}'": NO_COLON,
    f"curl https://x.io/{SECRET} \\\n \u2013X POST": (
        "Line 2, column 2 of the curl command has \u2013 (en dash, U+2013); type - instead."
    ),
    f"curl https://x.io/{SECRET} \u2014header 'a: b'": (
        "Line 1, column 36 of the curl command has \u2014 (em dash, U+2014); type -- instead."
    ),
    f"curl https://x.io/ -u \u2018{SECRET}\u2019": (
        "Line 1, column 23 of the curl command has \u2018 (left single quotation mark, U+2018); type ' instead."
    ),
    f"curl\u00a0https://x.io/{SECRET}": (
        "Line 1, column 5 of the curl command has (no-break space, U+00A0); type a space instead."
    ),
    "": "That is not a curl command: `curl` is not among its first words.",
}


@pytest.mark.parametrize(("command", "message"), REFUSED.items(), ids=REFUSED.values())
def test_what_cannot_be_read_says_why_and_repeats_nothing(command: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        curl.read(command, Outline("acme", "Acme"))
    assert str(raised.value) == message
    assert raised.value.__cause__ is None


def test_several_commands_are_several_requests_of_one_host() -> None:
    first = f"{POST} -H 'X-Api-Key: {SECRET}' -d '{{\"event\": \"a\"}}'"
    made = from_curl(
        first, f"curl -XPUT https://api.acme.io/users/7 -H 'X-Api-Key: {SECRET}' -d '{{\"email\": \"a@b.c\"}}'"
    )
    assert made.problems == []
    assert {call: [step["request"] for step in steps] for call, steps in made.value["calls"].items()} == {
        "track": ["send_events"],
        "identify": ["update_users"],
    }
    with pytest.raises(UsageError) as raised:
        from_curl(first, "curl https://other.io/x")
    assert str(raised.value) == "The commands have different hosts; a mapping has one. Make a mapping for each."


HOSTILE = [
    *("a\nb: c", "${userId}", "${", "a: b", "- x", "# no", "'", '"', "\\", "{a: 1}", "&x *y", "!!python/object", "|"),
    *("\u202eabc", "\u200b", "\U000e0041", "\t", "", "true", "null", "12:30", "0x1F", "~", "---", "<<", "x" * 300),
    *("\ud800", "\u2028", "\x85", "\x07", "2024-03-05T10:15:30Z", "const", "type", "__proto__", "a.b", '"'),
]


def test_no_text_is_anything_but_text() -> None:
    texts = [text for text in HOSTILE if text != "\ud800"]  # which JSON does not have
    body = {text or "empty": texts[-number] for number, text in enumerate(texts)}
    body["nested"] = {text: [{text: text}] for text in HOSTILE[:9]}
    made = from_curl(f"{POST} --json {shlex.quote(json.dumps(body))}", calls=("track", "delete"))
    assert made.problems == []
    for [step] in made.value["calls"].values():
        assert {key.replace("$${", "${") for key in step["fields"]} == {key[:100] for key in body}
    assert all(character.isprintable() or character == "\n" for character in made.text)


def test_no_text_of_an_address_is_anything_but_text() -> None:
    commands = []
    for text in HOSTILE[::3]:
        url = f"https://api.acme.io/x/{text.replace('?', '').replace('#', '')}"
        commands.append(shlex.join(["curl", url, "-H", f"X-A: {text}", "--data-urlencode", f"{text or 'a'}={text}"]))
    made = from_curl(*commands, calls=("track",))
    assert made.problems == []
    assert len(made.value["requests"]) == len(HOSTILE[::3])
    assert all(character.isprintable() or character == "\n" for character in made.text)


def test_a_body_of_many_fields_is_cut() -> None:
    outline = Outline("acme", "Acme")
    body = json.dumps({f"f{number}": number for number in range(400)})
    curl.read(f"{POST} --json {shlex.quote(body)}", outline)
    assert outline.notes == ["The body has more than 200 fields; those after them are left out."]
    assert len(outline.requests[0].fields or ()) == 200
    deep = "[" * 500 + "]" * 500
    assert from_curl(f"{POST} -d '{{\"a\": {deep}}}'").problems == []


@pytest.mark.parametrize("path", ["/v1beta1/events", "/2010-04-01/my-project-123/oauth2-tokens", "/api.v2/me.json"])
def test_words_with_numbers_are_no_credentials(path: str) -> None:
    [request] = from_curl(f"curl https://api.acme.io{path} -d a=1").value["requests"].values()
    assert request["path"] == path
