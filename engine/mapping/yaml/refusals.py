"""The messages of the strict YAML reader: code, message and advice, one for each thing it refuses.

They stand apart from the reader so that they can be read and improved without reading how a problem is found.
"""

from __future__ import annotations

import re

from engine.mapping.problems import Message

PAIRS = {"[": "]", "{": "}", "(": ")"}
END_OF_TEXT = re.compile(r":\s|\s#")


FILE_MISSING = Message("file-missing", "The file does not exist.")
FILE_IS_DIRECTORY = Message("file-is-directory", "This is a folder, not a file.", "Name the files in it.")
TOO_LARGE = Message("too-large", "The file is larger than 1 MiB.", "Remove data from it.")
EMPTY_FILE = Message("empty-file", "The file is empty.")
SEVERAL_DOCUMENTS = Message(
    "several-documents", "A second document begins here.", "Remove the ---; every destination has its own file."
)
MERGE_KEY = Message(
    "merge-key",
    "Merge keys (<<) are not allowed.",
    "Put what several places share in a part; `merge` combines objects.",
)


def file_unreadable(reason: str) -> Message:
    return Message("file-unreadable", f"The file cannot be read: {reason}.")


def not_utf8(byte: int) -> Message:
    return Message("not-utf8", f"The byte 0x{byte:02X} is not valid UTF-8.", "Save the file as UTF-8.")


def not_printable(point: int) -> Message:
    advice = f'Remove it, or write it as "\\u{point:04X}" in double quotes.'
    return Message("not-printable", f"The character U+{point:04X} is not allowed in YAML.", advice)


def too_deep(most: int) -> Message:
    return Message("too-deep", f"Lists and mappings are nested deeper than {most} here.")


def anchor(name: str) -> Message:
    advice = "Put what several places share in a part; text that begins with & needs quotes."
    return Message("anchor", f"Anchors are not allowed (&{name}).", advice)


def alias(name: str) -> Message:
    advice = f'Put what several places share in a part; text that begins with * needs quotes: "*{name}".'
    return Message("alias", f"Aliases are not allowed (*{name}).", advice)


def key_not_text(kind: str, key: str | None = None) -> Message:
    message = f"This key is {kind}, not text."
    if key is None:
        advice = "Put the key in quotes; for a key that a setting names, write ${settings.name}."
        if kind == "a mapping":
            advice += " A path stands without braces."
        return Message("key-not-text", message, advice)
    return Message("key-not-text", message, f'Put it in quotes: "{key}".')


def duplicate_key(key: str, line: int) -> Message:
    return Message("duplicate-key", f'The key "{key}" already appears on line {line}.', "Remove one of them.")


def key_without_value(key: str) -> Message:
    advice = "A comma inside { } begins the next key: put a text with a comma in it in quotes."
    return Message("key-without-value", f'The key "{key}" has no value.', advice)


def number_range(kind: str) -> Message:
    return Message("number-range", f"This {kind} does not fit into 64 bits.", "Put it in quotes if it is an id.")


def capital_word(text: str) -> Message:
    advice = f'Write {text.lower()}, or "{text}" in quotes if you mean the text.'
    return Message("capital-word", f"{text} is text here.", advice, "warning")


def plain_tag(tag: str) -> Message:
    return Message("tag", f"Tags are not allowed ({tag}).", "Remove it.")


def tag(text: str) -> Message:
    """Return the message for a text that begins with `!`."""
    message = "A text cannot begin with !: YAML takes it for a tag, and tags are not allowed."
    advice = f"Put the whole text in quotes: {quoted(text)}."
    if re.fullmatch(r"!\s*[\w.\[\]]+", text):
        advice = f"For `when`, write `unless` without the !; otherwise put the whole text in quotes: {quoted(text)}."
    return Message("tag", message, advice)


def whole_text(line: str, start: int, *, flow: bool) -> str:
    """Return the whole text at `start` that its author probably meant, including brackets and quotes in it.

    With `flow` the text is inside [ ] or { }, so that a comma ends it.
    """
    closing: list[str] = []
    for at in range(start, len(line)):
        character = line[at]
        if closing and character == closing[-1]:
            closing.pop()
        elif closing and closing[-1] in "'\"`":
            continue
        elif character in "'\"`":
            closing.append(character)
        elif character in PAIRS:
            closing.append(PAIRS[character])
        elif not closing and at > start and ((flow and character in ",]}") or END_OF_TEXT.match(line, at)):
            return line[start:at].strip()
    return line[start:].strip()


def quoted(text: str) -> str:
    """Return `text` as a quoted YAML text."""
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"
