"""schemas/audiences.schema.json, for editors: it knows the keys that the reader knows, and takes what that takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.audiences import conditions, definitions
from engine.mapping import schema
from engine.mapping.schema import files
from engine.mapping.yaml import reader

WHOLE = orjson.loads((files.folder() / "audiences.schema.json").read_bytes())
FILES = Path(__file__).parent / "files"


def keys(name: str) -> set[str]:
    return set(WHOLE["definitions"][name]["properties"])


def test_it_has_the_keys_of_the_reader() -> None:
    assert set(WHOLE["properties"]) == set(definitions.LISTS)
    assert keys("audience") == set(definitions.AUDIENCE_KEYS)
    assert keys("computed_trait") == set(definitions.TRAIT_KEYS)
    assert keys("condition") == set(conditions.CONDITION_KEYS)


def test_it_takes_what_is_right() -> None:
    assert schema.validator(WHOLE)(reader.read(FILES / "right.yaml").value) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"audiences": [{"name": "A", "did": "X", "withn": "1d"}]},
        {"audiences": [{"name": "A"}]},
        {"audiences": [{"name": "A", "did": "X", "did_not": "Y"}]},
        {"audiences": [{"name": "A", "did": "X", "every": "often"}]},
        {"audiences": [{"name": "A", "did": "X", "guard": "half"}]},
        {"audiences": [{"name": "A", "did": "X", "id": "email"}]},
        {"audiences": [{"name": "A", "any": []}]},
        {"computed_traits": [{"name": "A", "sum": "properties.n"}]},
        {"computed_traits": [{"name": "A", "sum": True, "did": "X"}]},
        {"audience": []},
    ],
)
def test_it_refuses_what_is_wrong(wrong: Any) -> None:
    assert schema.validator(WHOLE)(wrong) is not None
