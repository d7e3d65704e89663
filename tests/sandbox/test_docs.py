"""docs/sandbox.md lists every path, fault, field and setting."""

from __future__ import annotations

from pathlib import Path

import yaml

from engine.sandbox.control import ENDPOINTS
from engine.sandbox.faults import KINDS, READERS
from engine.sandbox.vendors import VENDORS
from engine.sandbox.vendors.user_com.body import COMPANY_FIELDS, USER_FIELDS
from engine.sandbox.vendors.user_com.routes import ROOT
from engine.sandbox.world import Config, read_config
from tests.tables import each

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def paths(vendor):
    """Return `METHOD /path` of every route."""

    def walk(node, path):
        for segment, below in node.items():
            if segment is None:
                yield from (f"{method} {path.removeprefix(ROOT)}" for method in below)
            else:
                yield from walk(below, f"{path}/{segment}")

    return walk(vendor.routes._root, "")


@each("path", [path for vendor in VENDORS for path in paths(vendor)])
def test_every_path_is_on_the_page(path):
    shown = PAGE
    for name in ("token", "id"):
        shown = shown.replace(f"{{{name}}}", "{}")
    assert f"`{path}`" in shown


@each("word", sorted({*READERS, *KINDS, *USER_FIELDS, *COMPANY_FIELDS}))
def test_every_word_is_on_the_page(word):
    assert word in PAGE.replace("`", " ").replace(",", " ").replace(".", " ").replace(":", " ").split()


@each("endpoint", ENDPOINTS)
def test_every_endpoint_is_on_the_page(endpoint):
    assert f"`{endpoint}`" in PAGE or endpoint == "GET /_sandbox/"


def test_the_configuration_on_the_page_is_the_default():
    shown = yaml.safe_load(PAGE.split("```yaml")[1].split("```")[0])
    assert set(shown) == {"seed", "faults", *(vendor.name for vendor in VENDORS)}
    config = read_config(shown)
    for vendor in VENDORS:
        defaults = vendor.settings_type()
        assert config.settings_of(vendor) == defaults
        assert list(shown[vendor.name]) == list(type(defaults).__dataclass_fields__)
    assert (config.seed, config.faults) == (Config().seed, Config().faults)
