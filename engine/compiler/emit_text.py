"""Text with `${path}` -> an expression; one way for plain text, one for URLs, where every value is encoded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeAlias

from engine.compiler.emit_condition import emit_path_value
from engine.compiler.scalar import is_saved, is_secret, is_text, plain_setting
from engine.compiler.writer import Writer
from engine.language.template import Hole, Text
from engine.mapping.model import Place
from engine.mapping.problems import path_text


@dataclass(frozen=True, slots=True)
class TextCode:
    """An expression for a text; None at run time where a `${}` found nothing, unless `present`."""

    code: str
    present: bool


def emit_text(
    writer: Writer, text: Text, place: Place, *, converter: str = "text_in", join: Join | None = None
) -> TextCode:
    """Write the holes of a text, up to the first that finds nothing, and give the expression of the whole.

    `converter` makes a value a text (`text_in`, `url_text`); `join` gives the expression of all pieces together.
    """
    if text.literal is not None and join is None:
        return TextCode(writer.names.literal(text.literal), present=True)
    if converter == "text_in" and join is None and all(_is_settled(writer, hole.path) for hole in text.holes):
        return TextCode(_settled(writer, text, place), present=True)
    result = writer.names.fresh("text")
    with ExitStack() as blocks:
        pieces: list[HoleCode | str] = []
        for piece in text.pieces:
            if isinstance(piece, str):
                pieces.append(piece)
                continue
            hole = emit_hole(writer, piece, place, converter)
            pieces.append(hole)
            if not hole.present:
                if not any(isinstance(other, HoleCode) and not other.present for other in pieces[:-1]):
                    writer.lines.add(f"{result} = None")
                blocks.enter_context(writer.lines.block(f"if {hole.code} is not None:"))
                blocks.enter_context(writer.branch())
        writer.lines.add(f"{result} = {(join or _joined)(writer, pieces)}")
    return TextCode(result, present=all(hole.present for hole in pieces if isinstance(hole, HoleCode)))


def _is_settled(writer: Writer, path: str) -> bool:
    return plain_setting(path) is not None and is_text(writer.module.mapping, path)


def _settled(writer: Writer, text: Text, place: Place) -> str:
    """Write a text that only settings fill where they are read, once per connection."""
    module = writer.module
    if text not in module.settled_texts:
        if not module.settled_texts:
            module.settled.add("reports = []")  # a setting that is there always has a text: nothing is reported
        once = Writer(module, {"settings": "settings"})
        pieces = [
            emit_hole(once, piece, place, "text_in") if isinstance(piece, Hole) else piece for piece in text.pieces
        ]
        module.settled_texts[text] = module.names.fresh("text")
        once.lines.add(f"{module.settled_texts[text]} = {_joined(once, pieces)}")
        module.settled.extend(once.lines)
    return module.settled_texts[text]


@dataclass(frozen=True, slots=True)
class HoleCode:
    """One filled `${}`."""

    code: str
    present: bool
    secret: bool
    saved: bool


def _joined(writer: Writer, pieces: list[HoleCode | str]) -> str:
    codes = [piece.code if isinstance(piece, HoleCode) else writer.names.literal(piece) for piece in pieces]
    if any(piece.secret for piece in pieces if isinstance(piece, HoleCode)):
        writer.module.helper("joined")
        return f"joined({', '.join(codes)})"
    # A text is plain text, also where it holds nothing but the marker of a saved value.
    saved = any(piece.saved for piece in pieces if isinstance(piece, HoleCode))
    return " + ".join(["''", *codes] if saved else codes)


Join: TypeAlias = Callable[[Writer, list["HoleCode | str"]], str]


def emit_hole(writer: Writer, hole: Hole, place: Place, converter: str) -> HoleCode:
    """Write one `${path}` as a text variable, through `converter` (text_in, url_text)."""
    value = emit_path_value(writer, hole.path, place)
    variable = writer.names.fresh("text")
    writer.module.helper(converter)
    call = f"{converter}({value}, reports, {writer.names.literal(path_text(place))})"
    quick = f"{value} if type({value}) is str else " if converter == "text_in" else ""
    writer.lines.add(f"{variable} = {quick}{call}")
    module = writer.module
    return HoleCode(
        variable,
        present=is_text(module.mapping, hole.path),
        secret=is_secret(module, hole.path),
        saved=is_saved(module, hole.path),
    )
