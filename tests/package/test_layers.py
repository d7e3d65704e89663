"""What may import what: each module stands in a layer, and imports only go down.  A new module has to choose one."""

from __future__ import annotations

from tests.package.tree import engine_files, imports, module_name

# From the bottom up. Those of one row do not know each other; a package stands for all its modules.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("engine",),
    ("engine.records", "engine.errors"),
    ("engine.language",),
    ("engine.sources",),
    ("engine.mapping",),
    ("engine.compiler",),
    ("engine.plan",),
    ("engine.exchange", "engine.docs_settings"),
    ("engine.examples", "engine.docs"),
    ("engine.delivery", "engine.sandbox"),
    ("engine.collector",),
    ("engine.commands",),
    ("engine.__main__",),
)
HEIGHTS = {name: height for height, row in enumerate(LAYERS) for name in row}


def layer(module: str) -> str | None:
    """Give the row's entry that a module belongs to; `engine` itself stands only for itself."""
    entry = ".".join(module.split(".")[:2])
    return entry if entry in HEIGHTS else None


def test_every_module_has_a_layer() -> None:
    assert [name for path in engine_files() if layer(name := module_name(path)) is None] == []


def test_imports_only_go_down() -> None:
    offenders = []
    for path in engine_files():
        here = layer(module_name(path))
        for module, line in imports(path):
            there = layer(module) if module.partition(".")[0] == "engine" else None
            if here and there and here != there and HEIGHTS[there] >= HEIGHTS[here]:
                offenders.append(f"{path}:{line}: {here} imports {module}, which is not below it")
    assert not offenders, "\n" + "\n".join(offenders)


def test_no_module_waits_for_itself() -> None:
    """At the top of modules; inside functions a circle is harmless, and the layers bound it."""
    waits = {module_name(path): {found.module for found in imports(path, top=True)} for path in engine_files()}
    while free := {name for name, others in waits.items() if not others & waits.keys() - {name}}:
        waits = {name: others - free for name, others in waits.items() if name not in free}
    assert sorted(waits) == []
