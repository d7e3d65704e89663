"""What may import what: each module stands in a layer, imports only go down, and no two modules wait for each other.

A module that is new has to choose a layer.  Imports inside functions and those of type checkers count like any other:
who reads a file has to know what it refers to, whenever it is loaded.
"""

from __future__ import annotations

from tests.package.tree import engine_files, imports, module_name

# From the bottom up; a name stands for its module and all modules below it, the longest name wins.
# What shares a row does not import one another.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("engine.errors", "engine.files", "engine.noun", "engine.secret_forms"),
    ("engine.records",),
    ("engine.language", "engine.expo"),
    ("engine.language.paths",),
    ("engine.language.functions",),
    ("engine.events",),
    ("engine.mapping",),
    ("engine.mapping.yaml",),
    ("engine.mapping.schema",),
    ("engine.mapping.build", "engine.mapping.resolve", "engine.mapping.settings"),
    ("engine.mapping.load", "engine.formatting"),
    ("engine.mapping.checks",),
    ("engine.compiler",),
    ("engine.compiler.paths",),
    ("engine.compiler.emit",),
    ("engine.compiler.build",),
    ("engine.plan",),
    ("engine.responses", "engine.explaining", "engine.differences"),
    ("engine.testing",),
    ("engine.editing", "engine.assistant"),
    ("engine.carrying",),
    ("engine.pages",),
    ("engine.delivery.outbox", "engine.delivery.sending.fair_queue", "engine.delivery.sending.pacing"),
    ("engine.delivery.sending.batching",),
    ("engine.delivery.intake", "engine.delivery.observers", "engine.delivery.outbox_thread"),
    ("engine.delivery.configured_connection",),
    ("engine.delivery.sending",),
    ("engine.delivery",),
    ("engine.stream",),
    ("engine.archive",),
    ("engine.audiences",),
    ("engine.deletion",),
    ("engine.showing",),
    ("engine.spark",),
    ("engine.collector", "engine.sandbox"),
    ("engine.scaffolding", "engine.backfill"),
    ("engine.console",),
    ("engine.commands.shared",),
    ("engine.commands.output",),
    ("engine.testing.items",),
    ("engine.testing.definition_items",),
    ("engine.testing.plugin",),
    ("engine.testing.given",),
    ("engine.commands",),
    ("engine.reference", "engine.__main__", "engine"),
)
HEIGHTS = {name: height for height, row in enumerate(LAYERS) for name in row}


def layer(module: str) -> str | None:
    """Return the row's entry that a module belongs to; `engine` stands only for itself."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 1, -1))
    return "engine" if module == "engine" else next((name for name in names if name in HEIGHTS), None)


def test_every_module_has_a_layer() -> None:
    assert [name for path in engine_files() if layer(name := module_name(path)) is None] == []


def test_imports_only_go_down() -> None:
    offenders = []
    for path in engine_files():
        here = layer(module_name(path))
        for found in imports(path):
            there = layer(found.module) if found.module.partition(".")[0] == "engine" else None
            if here and there and here != there and HEIGHTS[there] >= HEIGHTS[here]:
                offenders.append(f"{path}:{found.line}: {here} imports {found.module}, which is not below it")
    assert not offenders, "\n" + "\n".join(offenders)


def test_no_module_waits_for_itself() -> None:
    """Take away, again and again, every module that imports none of the others; what is left goes in circles."""
    waits = {module_name(path): {found.module for found in imports(path, types=True)} for path in engine_files()}
    while free := {name for name, others in waits.items() if not others & waits.keys() - {name}}:
        waits = {name: others - free for name, others in waits.items() if name not in free}
    assert sorted(waits) == []
