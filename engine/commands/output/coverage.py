"""Coverage of mappings as text for people, as JSON, and as Cobertura XML for CI and editors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from engine.commands.output.text import Display
from engine.commands.output.yaml_text import yaml_item
from engine.language.texts import visible
from engine.mapping.problems import place_text
from engine.records import Json, JsonObject
from engine.testing.coverage import FileCoverage, Item, What
from engine.testing.coverage_report import CoverageReport, FileReport, Missing, counts_by_kind, percent

PLURALS = {
    What.STEP: "steps",
    What.FIELD: "fields",
    What.ALTERNATIVE: "alternatives",
    What.CONDITION: "conditions",
    What.ENTRY: "map entries",
    What.SETTING: "settings",
    What.RESPONSE: "response rules",
}
HEADINGS = ("Items", "Missed", "Cover")
COLUMN = 8
INDENT = 2
DOCTYPE = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'
"""As coverage.py writes it: https://coverage.readthedocs.io/en/latest/cmd.html#xml-reporting-coverage-xml."""


def text_lines(report: CoverageReport, display: Display) -> Iterator[str]:
    """Write a table by file, the totals by kind, and a draft for each line that is missing."""
    yield from _table(report, display)
    yield ""
    yield from _totals_lines(report, display)
    for file, number in report.others.items():
        which = f"{number} items of {file} are not counted: name that file too, or its folder."
        yield display.wrap(which, "", 0)
    missing = [each for file in report.files for each in file.missing]
    if missing:
        yield ""
        advice = "No example uses these. Each draft below does: read what it expects, and paste it at the end of "
        yield display.wrap(f"{advice}`examples:`.", "", 0)
    for each in missing:
        yield ""
        yield from _missing_lines(each, display)


def _totals_lines(report: CoverageReport, display: Display) -> Iterator[str]:
    line = ""
    for what, (used, total) in counts_by_kind(report.items).items():
        piece = f"{PLURALS[what]} {used}/{total}"
        if line and len(line) + len(piece) + len(", ,") > display.width:
            yield f"{line},"
            line = ""
        line = f"{line}, {piece}" if line else piece
    yield line or "Nothing here can be used by an example."


def _table(report: CoverageReport, display: Display) -> Iterator[str]:
    names = [visible(file.coverage.file) for file in report.files]
    width = max([len(name) for name in (*names, "Total")])
    heading = "".join(word.rjust(COLUMN) for word in HEADINGS)
    yield display.paint(f"{'File'.ljust(width)}{heading}   Missing lines", "title")
    for name, file in zip(names, report.files, strict=True):
        start = f"{name.ljust(width)}{_numbers(file.coverage.items)}"
        lines = ", ".join(str(line) for line in dict.fromkeys(item.mark.line for item in file.coverage.missed))
        yield display.wrap(lines, f"{start}   ", len(start) + 3).rstrip()
    yield f"{'Total'.ljust(width)}{_numbers(report.items)}"


def _numbers(items: Sequence[Item]) -> str:
    missed = sum(not item.used for item in items)
    cells = (str(len(items)), str(missed), f"{percent(items):g}%")
    return "".join(cell.rjust(COLUMN) for cell in cells)


def _missing_lines(missing: Missing, display: Display) -> Iterator[str]:
    mark = missing.item.mark
    yield display.paint(visible(f"{mark.file}:{mark.line}:{mark.column}  {missing.item.label}"), "title")
    if missing.draft is None:
        yield display.wrap(f"No draft: {missing.reason}.", " " * INDENT, INDENT)
        return
    if missing.again:
        yield display.wrap(f"The draft {json.dumps(missing.draft['title'])} does this, too.", " " * INDENT, INDENT)
        return
    if missing.mapping != mark.file:
        yield display.paint(visible(f"{' ' * INDENT}# for {missing.mapping}"), "place")
    yield from yaml_item(missing.draft, INDENT)


def as_json(report: CoverageReport) -> JsonObject:
    """Return a report as `--format json` prints it."""
    return {
        "percent": percent(report.items),
        **_counts(report.items),
        "files": [_file_json(file) for file in report.files],
        "not_counted": [{"file": file, "total": number} for file, number in report.others.items()],
    }


def _counts(items: Sequence[Item]) -> JsonObject:
    kinds = counts_by_kind(items).items()
    return {
        "used": sum(item.used for item in items),
        "total": len(items),
        "kinds": {what.value: {"used": used, "total": total} for what, (used, total) in kinds},
    }


def _file_json(file: FileReport) -> JsonObject:
    items = file.coverage.items
    missing: list[Json] = [_missing_json(each) for each in file.missing]
    return {"file": file.coverage.file, "percent": percent(items), **_counts(items), "missing": missing}


def _missing_json(missing: Missing) -> JsonObject:
    what, place, case = missing.item.thing
    return {
        "line": missing.item.mark.line,
        "column": missing.item.mark.column,
        "path": place_text(place),
        "kind": what.value,
        "case": case,
        "label": missing.item.label,
        "mapping": missing.mapping,
        "draft": missing.draft,
        "again": missing.again,
        "reason": missing.reason,
    }


def cobertura(report: CoverageReport, now: int) -> str:
    """Return a report as Cobertura XML; `now` is its time in Unix seconds.

    A line with several items is a branch: how many of them are used is its condition coverage.
    """
    from xml.etree.ElementTree import Element, SubElement, indent, tostring

    root = Element("coverage", {**_totals(report.items), "version": "waybill", "timestamp": str(now)})
    SubElement(SubElement(root, "sources"), "source").text = "."
    packages = SubElement(root, "packages")
    folders: dict[str, list[FileCoverage]] = {}
    for each in report.files:
        folders.setdefault(str(PurePosixPath(each.coverage.file).parent), []).append(each.coverage)
    for folder, files in folders.items():
        rates = _rates([item for file in files for item in file.items])
        classes = SubElement(SubElement(packages, "package", {"name": _printable(folder), **rates}), "classes")
        for file in files:
            path = _printable(file.file)
            names = {"name": PurePosixPath(path).name, "filename": path}
            found = SubElement(classes, "class", {**names, **_rates(file.items)})
            SubElement(found, "methods")
            lines = SubElement(found, "lines")
            for number, used in _lines(file.items).items():
                SubElement(lines, "line", _line(number, used))
    indent(root)
    return f'<?xml version="1.0" ?>\n{DOCTYPE}\n{tostring(root, encoding="unicode")}\n'


def _printable(text: str) -> str:
    """Replace what XML cannot hold; a file's name may have it."""
    return "".join(each if visible(each) == each else "?" for each in text)


def _lines(items: Sequence[Item]) -> dict[int, list[bool]]:
    """Return the lines on which something can be used, and for each thing whether it is."""
    found: dict[int, list[bool]] = {}
    for item in items:
        found.setdefault(item.mark.line, []).append(item.used)
    return found


def _totals(items: Sequence[Item]) -> dict[str, str]:
    lines = _lines(items).values()
    branches = [used for line in lines if len(line) > 1 for used in line]
    counts = {
        "lines-covered": sum(map(any, lines)),
        "lines-valid": len(lines),
        "branches-covered": sum(branches),
        "branches-valid": len(branches),
    }
    return {**_rates(items), **{name: str(count) for name, count in counts.items()}}


def _rates(items: Sequence[Item]) -> dict[str, str]:
    lines = _lines(items).values()
    branches = [used for line in lines if len(line) > 1 for used in line]
    return {"line-rate": _rate([any(line) for line in lines]), "branch-rate": _rate(branches), "complexity": "0"}


def _rate(used: Sequence[bool]) -> str:
    return f"{sum(used) / len(used) if used else 1:.4g}"


def _line(number: int, used: Sequence[bool]) -> dict[str, str]:
    line = {"number": str(number), "hits": str(int(any(used)))}
    if len(used) > 1:
        share = f"{100 * sum(used) // len(used)}% ({sum(used)}/{len(used)})"
        line |= {"branch": "true", "condition-coverage": share}
    return line
