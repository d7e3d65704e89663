"""Text with `${path}` -> an expression: plain text as it is, and URLs, where every value put in is percent-encoded."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable
from contextlib import ExitStack
from itertools import takewhile
from typing import TypeAlias

from engine.compiler.emit.conditions import emit_path_value, is_saved, is_secret, is_text, plain_setting
from engine.compiler.optimizations import Optimization
from engine.compiler.recording import Kind
from engine.compiler.writer import Writer
from engine.language.template import Hole, Text
from engine.mapping.model import Instruction, TextOrValue
from engine.mapping.problems import place_text
from engine.noun import Noun
from engine.records import Place

DEEPEST_HOLES = 4
"""Holes of a text whose blocks stand inside each other."""
LONGEST_SUM = 50
"""Python's compiler recurses for each `+`."""


class TextCode(Noun, kw_only=False):
    """An expression for a text; None at run time if a `${}` has no value, unless `present`."""

    code: str
    present: bool
    own: bool = False


def fill_text(
    writer: Writer, text: Text, place: Place, *, converter: str = "text_in", join: Join | None = None
) -> TextCode:
    """Write the holes of a text, up to the first without a value, and return the expression of the whole.

    `converter` makes a value a text (`text_in`, `url_text`); `join` returns the expression of all pieces together.
    """
    if text.literal is not None and join is None:
        return TextCode(writer.names.literal(text.literal), present=True)
    if converter == "text_in" and join is None and all(_is_settled(writer, hole.path) for hole in text.holes):
        return TextCode(_settled(writer, text, place), present=True)
    result = writer.names.fresh("text")
    pieces: list[HoleCode | str] = []
    absent = 0
    with ExitStack() as blocks:
        for piece in text.pieces:
            if isinstance(piece, str):
                pieces.append(piece)
                continue
            if absent and absent % DEEPEST_HOLES == 0:
                _leave(writer, blocks, result)
            hole = emit_hole(writer, piece, place, converter)
            pieces.append(hole)
            if not hole.present:
                if not absent:
                    writer.lines.add(f"{result} = None")
                absent += 1
                blocks.enter_context(writer.lines.block(f"if {hole.code} is not None:"))
                blocks.enter_context(writer.branch())
        writer.lines.add(f"{result} = {(join or _joined)(writer, pieces)}")
    return TextCode(result, present=not absent, own=True)


def _leave(writer: Writer, blocks: ExitStack, result: str) -> None:
    """Leave the blocks of the holes up to here: Python allows 100 levels of indentation.

    Until the text is made, its variable says whether all of them have a value.
    """
    writer.lines.add(f"{result} = ''")
    blocks.close()
    blocks.enter_context(writer.lines.block(f"if {result} is not None:"))
    blocks.enter_context(writer.branch())
    writer.lines.add(f"{result} = None")


def _is_settled(writer: Writer, path: str) -> bool:
    return plain_setting(path) is not None and is_text(writer.module.mapping, path)


def _settled(writer: Writer, text: Text, place: Place) -> str:
    """Write a text that only settings fill once per connection."""
    module = writer.module
    if text not in module.settled_texts:
        once = module.once()
        pieces = [
            emit_hole(once, piece, place, "text_in") if isinstance(piece, Hole) else piece for piece in text.pieces
        ]
        module.settled_texts[text] = module.names.fresh("text")
        once.lines.add(f"{module.settled_texts[text]} = {_joined(once, pieces)}")
        module.settled.extend(once.lines)
    return module.settled_texts[text]


class HoleCode(Noun, kw_only=False):
    """One filled `${}`."""

    code: str
    present: bool
    secret: bool
    saved: bool
    checked: bool = False
    """Whether it is a segment of a path that leads nowhere else."""


def _joined(writer: Writer, pieces: list[HoleCode | str]) -> str:
    codes = [piece.code if isinstance(piece, HoleCode) else writer.names.literal(piece) for piece in pieces]
    if any(piece.secret for piece in pieces if isinstance(piece, HoleCode)):
        writer.module.helper("joined")
        return f"joined({', '.join(codes)})"
    # A text is plain text, even if it is nothing but the marker of a saved value.
    saved = any(piece.saved for piece in pieces if isinstance(piece, HoleCode))
    if len(codes) > LONGEST_SUM:
        return f"''.join(({', '.join(codes)}))"
    return " + ".join(["''", *codes] if saved else codes)


Join: TypeAlias = Callable[[Writer, list["HoleCode | str"]], str]


def emit_hole(writer: Writer, hole: Hole, place: Place, converter: str) -> HoleCode:
    """Write one `${path}` as a text variable, through `converter` (text_in, url_text)."""
    value = emit_path_value(writer, hole.path, place)
    writer.record(Kind.READ, place, value, hole.path)
    variable = writer.names.fresh("text")
    writer.module.helper(converter)
    call = f"{converter}({value}, reports, {writer.names.literal(place_text(place))})"
    secret = is_secret(writer, hole.path)
    if secret:  # a number becomes a text here
        call = f"{writer.module.helper('secret')}({call})"
    quick = f"{value} if type({value}) is str else " if converter == "text_in" and not secret else ""
    writer.lines.add(f"{variable} = {quick}{call}")
    module = writer.module
    return HoleCode(
        variable,
        present=is_text(module.mapping, hole.path),
        secret=secret,
        saved=is_saved(module, hole.path),
    )


DELIMITERS = re.compile(r"([/?#])")


def emit_base_url(writer: Writer, base_url: TextOrValue, place: Place = ("http", "base_url")) -> str:
    """Write a URL that settings make, and return an expression for it; one that may be no address is checked."""
    code = _base_url(writer, base_url, place)
    return code if _is_checked(writer, base_url) else _call(writer, "sendable", code, place)


def _is_checked(writer: Writer, base_url: TextOrValue) -> bool:
    """Whether a base URL is written out, or is a setting of type url with at most a path after it."""
    if isinstance(base_url, Instruction):
        return False
    first, *others = base_url.pieces or ("",)
    if isinstance(first, str):
        return not others or "/" in first.partition("://")[2]
    return _is_address(writer, first.path) and (not others or str(others[0]).startswith("/"))


def _base_url(writer: Writer, base_url: TextOrValue, place: Place) -> str:
    if isinstance(base_url, Instruction):
        return _call(
            writer, "needed", f"text_in({_instruction(writer, base_url)}, reports, {_at(writer, place)})", place
        )
    pieces = base_url.pieces
    if pieces and isinstance(pieces[0], Hole) and _is_address(writer, pieces[0].path):
        first = _needed(writer, emit_hole(writer, pieces[0], place, "text_in"), place)
        writer.module.helper("address")
        return _sum(writer, [f"address({first})", *_whole(writer, Text(pieces[1:]), place)])
    return _sum(writer, _whole(writer, base_url, place))


def settled_base(writer: Writer) -> Text | None:
    """Return the base URL if an event finds it made: it is known, and cannot fail, once the settings are."""
    base_url = writer.module.mapping.http.base_url
    if Optimization.SETTLED_PIECES not in writer.module.optimizations or writer.call is None:
        return None
    if isinstance(base_url, Instruction) or not _is_checked(writer, base_url):
        return None
    first, *others = base_url.pieces or ("",)
    known = isinstance(first, str) or is_text(writer.module.mapping, first.path)
    return base_url if known and not any(isinstance(piece, Hole) for piece in others) else None


def emit_filled_url(writer: Writer, base_url: Text, path: Text | None, place: Place) -> str:
    """Write a URL whose beginning, up to the first value in the path, is made once per connection."""
    codes = [] if path is None else _whole(writer, path, place)
    known = list(takewhile(_is_literal, codes))
    beginning = "".join(map(literal_eval, known))
    if codes and not beginning.startswith("/"):
        beginning = f"/{beginning}"
    module = writer.module
    if beginning not in module.settled_urls:
        once = module.once()
        base = _base_url(once, base_url, ("http", "base_url"))
        module.settled_urls[beginning] = module.names.fresh("url")
        once.module.helper("address")
        made = _sum(once, [f"address({base})", once.names.literal(beginning)])
        once.lines.add(f"{module.settled_urls[beginning]} = {made}")
        module.settled.extend(once.lines)
    codes = _merged(writer, [module.settled_urls[beginning], *codes[len(known) :]])
    holes = (*base_url.holes, *(path.holes if path is not None else ()))
    secret = any(is_secret(writer, hole.path) for hole in holes)
    return _sum(writer, codes) if secret or len(codes) > LONGEST_SUM else " + ".join(codes)


def emit_path(writer: Writer, path: TextOrValue, place: Place) -> str:
    """Write a request's path; its leading slash is put where URL and path are joined."""
    if isinstance(path, Instruction):
        return _call(writer, "url_path", f"{_instruction(writer, path)}, reports", place)
    return _sum(writer, _whole(writer, path, place))


def fill_url_text(writer: Writer, text: Text, place: Place) -> str:
    """Write a `text` inside a URL's instruction: values encoded, segments checked, None if a value is missing."""

    def join(inner: Writer, pieces: list[HoleCode | str]) -> str:
        return f"{inner.module.helper('LiteralText')}({_sum(inner, _parts(inner, pieces, place))})"

    return fill_text(writer, text, place, converter="url_text", join=join).code


def _instruction(writer: Writer, value: Instruction) -> str:
    writer.module.helper("text_in")
    writer.url = True
    got = writer.value(value)
    writer.url = False
    return got.code


def _is_address(writer: Writer, path: str) -> bool:
    setting = writer.module.mapping.settings.get(plain_setting(path) or "")
    return setting is not None and setting.type == "url"


def _whole(writer: Writer, text: Text, place: Place) -> list[str]:
    """Write a text that a URL requires."""
    pieces: list[HoleCode | str] = []
    for piece in text.pieces:
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        if _is_segment(writer, text):
            pieces.append(_segment(writer, piece, place))
            continue
        hole = emit_hole(writer, piece, place, "url_text")
        code = writer.names.fresh("text")
        writer.lines.add(f"{code} = {_needed(writer, hole, place)}")
        pieces.append(HoleCode(code, present=True, secret=hole.secret, saved=hole.saved))
    return _parts(writer, pieces, place)


def _is_segment(writer: Writer, text: Text) -> bool:
    """Whether the only `${}` of a path is a whole segment, so that nothing else of it can fail before its check."""
    if len(text.holes) != 1 or is_secret(writer, text.holes[0].path) or settled_base(writer) is None:
        return False
    number = text.pieces.index(text.holes[0])
    before, after = "".join(map(str, text.pieces[:number])), "".join(map(str, text.pieces[number + 1 :]))
    return before[-1:] in ("", "/") and not set("?#").intersection(before) and after[:1] in ("", "/", "?", "#")


def _segment(writer: Writer, hole: Hole, place: Place) -> HoleCode:
    value, variable = emit_path_value(writer, hole.path, place), writer.names.fresh("text")
    writer.record(Kind.READ, place, value, hole.path)
    writer.lines.add(f"{variable} = {writer.module.helper('url_segment')}({value}, reports, {_at(writer, place)})")
    return HoleCode(variable, present=True, secret=False, saved=False, checked=True)


def _parts(writer: Writer, pieces: list[HoleCode | str], place: Place) -> list[str]:
    """Return expressions for the pieces; a segment of the path that a value fills is checked."""
    codes: list[str] = []
    part: list[str] = []
    filled, in_path = False, True
    for piece in pieces:
        if isinstance(piece, HoleCode):
            part.append(piece.code)
            filled = not piece.checked
            continue
        for text in DELIMITERS.split(piece):
            if text not in ("/", "?", "#"):
                part += [writer.names.literal(text)] if text else []
                continue
            codes += [_call(writer, "segment", _sum(writer, part), place)] if filled and in_path else part
            codes.append(writer.names.literal(text))
            part, filled, in_path = [], False, in_path and text == "/"
    return codes + ([_call(writer, "segment", _sum(writer, part), place)] if filled and in_path else part)


def _needed(writer: Writer, hole: HoleCode, place: Place) -> str:
    return hole.code if hole.present else _call(writer, "needed", hole.code, place)


def _call(writer: Writer, helper: str, argument: str, place: Place) -> str:
    writer.module.helper(helper)
    return f"{helper}({argument}, {_at(writer, place)})"


def _at(writer: Writer, place: Place) -> str:
    return writer.names.literal(place_text(place))


def _sum(writer: Writer, codes: list[str]) -> str:
    """Join expressions, of which some may be secret."""
    merged = _merged(writer, codes)
    if len(merged) < 2:
        return merged[0] if merged else "''"
    writer.module.helper("joined")
    return f"joined({', '.join(merged)})"


def _merged(writer: Writer, codes: list[str]) -> list[str]:
    """Make one literal of those that follow each other."""
    merged: list[str] = []
    for code in codes:
        if merged and _is_literal(merged[-1]) and _is_literal(code):
            merged[-1] = writer.names.literal(literal_eval(merged[-1]) + literal_eval(code))
        else:
            merged.append(code)
    return merged


def _is_literal(code: str) -> bool:
    return code[0] in "'\""
