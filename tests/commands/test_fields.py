"""`engine fields`: what it prints, and for whom."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.commands.conftest import Engine

ADS = """\
mapping: 1
name: ads
title: Ads
settings: { sender: { title: Sender, type: string, example: a@b.example, personal: [email] } }
http: { base_url: https://api.ads.example, headers: { X-Sender: "${settings.sender}" } }
requests: { match: { path: "/match/${userId}" } }
parts: { email: [traits.email, context.traits.email] }
calls:
  identify:
    - request: match
      when: context.ip
      merge:
        - { from: traits, except: [email, phone] }
        - fields: { "=em": { from: parts.email, as: sha256 } }
"""
TEXT = """\
context.ip  [ip]
  ads identify  condition  match

context.traits.email  [email]
  ads identify  sha256  match  =em

settings.sender  [email]
  ads identify  clear  match  header X-Sender

traits  [may hold name, address, ids]
  ads identify  clear  match  the body (without email, phone)

traits.email  [email]
  ads identify  sha256  match  =em

userId  [ids]
  ads identify  clear  match  URL
"""


@pytest.fixture(autouse=True)
def ads(engine: Engine) -> None:
    Path("own").mkdir()
    Path("own/ads.yaml").write_text(ADS)


def test_text_is_for_people(engine: Engine) -> None:
    assert engine("fields", "own") == (0, TEXT, "")


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("email", ["context.traits.email", "settings.sender", "traits.email"]),
        ("traits.email", ["traits.email"]),
        ("traits.address.city", ["traits"]),
        ("ids", ["traits", "userId"]),
        ("context", []),
    ],
)
def test_one_field_or_kind(engine: Engine, field: str, found: list[str]) -> None:
    out = engine("fields", "own/ads.yaml", "--field", field).out
    assert [line.split()[0] for line in out.splitlines() if line and line[0] != " "] == found


@pytest.mark.parametrize(
    ("field", "err"),
    [
        ("phone", "No mapping here reads phone.\n"),
        ("context.ipp", "No mapping here reads context.ipp. Did you mean context.ip?\n"),
        ("a\x1b[2Jb.c", "No mapping here reads a\\u001b[2Jb.c.\n"),
    ],
)
def test_what_nothing_reads(engine: Engine, field: str, err: str) -> None:
    assert engine("fields", "own", "--field", field) == (1, "", err)
    assert engine("fields", "own", "--field", field, "--format", "json").out == "[]\n"


def test_json_is_for_programs(engine: Engine) -> None:
    rows = json.loads(engine("fields", "own", "--format", "json", "--field", "traits.email").out)
    assert rows == [
        {
            "field": "traits.email",
            "kinds": ["email"],
            "may_hold": False,
            "form": "hashed",
            "function": "sha256",
            "destination": "ads",
            "call": "identify",
            "request": "match",
            "part": "body",
            "target": "=em",
            "only": None,
            "except": [],
            "through": ["email"],
            "file": "own/ads.yaml",
            "line": 14,
            "column": 36,
        }
    ]


def test_csv_is_for_spreadsheets_and_no_formula(engine: Engine) -> None:
    rows = list(csv.DictReader(engine("fields", "own", "--format", "csv").out.splitlines()))
    assert [row["target"] for row in rows if row["field"] == "traits.email"] == ["'=em"]
    assert next(row for row in rows if row["field"] == "traits")["except"] == "email phone"


def test_every_key_is_on_the_page(engine: Engine) -> None:
    page = (Path(__file__).parents[2] / "docs" / "personal-data.md").read_text(encoding="utf-8")
    rows = json.loads(engine("fields", "own", "--format", "json").out)
    rows_of_page = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert [key for key in rows[0] if not any(f"`{key}`" in row for row in rows_of_page)] == []


@pytest.mark.parametrize(
    ("words", "code", "err"),
    [
        (["adds"], 2, "Unknown mapping adds; available: "),
        (["own", "gone.yaml"], 2, "Mapping file gone.yaml does not exist."),
        (["bad.yaml"], 1, "bad.yaml:6:38  requests.match.path"),
    ],
)
def test_what_cannot_be_read(engine: Engine, words: list[str], code: int, err: str) -> None:
    Path("bad.yaml").write_text(ADS.replace("name: ads", "name: bad").replace("${userId}", "${user}"))
    done = engine("fields", *words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(err)
