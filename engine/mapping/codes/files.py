"""The codes of files and of YAML: what the strict reader refuses, and why."""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc

FILES: dict[str, CodeDoc] = {
    "file-missing": CodeDoc(
        "No such file",
        "The file that was named is not there.",
        "# validate-mappings mappings/shpo.yaml",
        "# validate-mappings mappings/shop.yaml",
    ),
    "file-is-directory": CodeDoc(
        "A folder",
        "A folder was named where a file is needed.",
        "# extends: a folder called base.yaml",
        "# extends: a file called base.yaml",
    ),
    "file-unreadable": CodeDoc(
        "Cannot be read",
        "The file is there, but the system does not let us read it; the message says why.",
        "# chmod 000 mappings/shop.yaml",
        "# chmod 644 mappings/shop.yaml",
    ),
    "not-utf8": CodeDoc(
        "Not UTF-8",
        "Mapping files are UTF-8, with or without a byte order mark. The place is that of the first wrong byte.",
        "# a file saved as Latin-1 or UTF-16",
        "# the same file saved as UTF-8",
    ),
    "too-large": CodeDoc(
        "Too large",
        "A mapping file has at most 1 MiB: more is data, and belongs into a setting of type table.",
        "# a table of 50,000 entries",
        "# map: settings.countries",
    ),
    "too-deep": CodeDoc(
        "Nested too deeply",
        "Lists and mappings are nested at most 64 deep.",
        "parts:\n  deep: { const: " + "[" * 63 + "]" * 63 + " }",
        "parts:\n  deep: { const: [[[]]] }",
    ),
    "not-printable": CodeDoc(
        "Not printable",
        "YAML has no control characters. They come from copying, and nobody sees them.",
        "about: A bell\a rings.",
        'about: "A bell\\u0007 rings."',
    ),
    "empty-file": CodeDoc(
        "Empty file",
        "There is nothing in the file but comments.",
        "# a file of comments",
        "# mapping: 1",
    ),
    "yaml-syntax": CodeDoc(
        "No YAML",
        "The text breaks YAML's grammar. The place is where reading broke off; the mistake is there or just before.",
        "parts:\n  email:traits.email\n  phone: traits.phone",
        "parts:\n  email: traits.email\n  phone: traits.phone",
    ),
    "needs-quotes": CodeDoc(
        "Needs quotes",
        "YAML has its own use for some characters: a text with `: ` or ` #` in it, one that begins with a quote, "
        "a bracket or one of @ ` * & ! | > %, and inside [ ] or { } one that holds a comma or a bracket, needs quotes "
        "around the whole. `${...}` inside { } does too.",
        "parts:\n  ids: { fields: { ${settings.hard_id}: userId } }\nsettings:\n"
        "  hard_id: { title: Hard ID, type: string }",
        'parts:\n  ids: { fields: { "${settings.hard_id}": userId } }\nsettings:\n'
        "  hard_id: { title: Hard ID, type: string }",
    ),
    "indentation": CodeDoc(
        "Indentation",
        "Keys of one mapping begin in the same column, entries of one list too, and tabs do not count as indentation.",
        "parts:\n    email: traits.email\n  phone: traits.phone",
        "parts:\n  email: traits.email\n  phone: traits.phone",
    ),
    "not-closed": CodeDoc(
        "Not closed",
        "A quote or a bracket is opened and not closed, or closed by another one.",
        "parts:\n  email: [traits.email, context.traits.email",
        "parts:\n  email: [traits.email, context.traits.email]",
    ),
    "bad-escape": CodeDoc(
        "Bad escape",
        "In double quotes a backslash begins an escape, and YAML knows only some. In single quotes it is a backslash.",
        'parts:\n  digits: { const: "\\d+" }',
        "parts:\n  digits: { const: '\\d+' }",
    ),
    "duplicate-key": CodeDoc(
        "Key twice",
        "The same key stands twice in one mapping. YAML readers disagree about which one wins, so neither may.",
        "parts:\n  email: traits.email\n  email: context.traits.email",
        "parts:\n  email: [traits.email, context.traits.email]",
    ),
    "key-not-text": CodeDoc(
        "Key is not text",
        "Keys are text. Numbers, true, false and null as keys need quotes; lists and mappings cannot be keys.",
        "parts:\n  gender: { from: traits.gender, map: { 1: male, 2: female } }",
        'parts:\n  gender: { from: traits.gender, map: { "1": male, "2": female } }',
    ),
    "key-without-value": CodeDoc(
        "Key without value",
        "Inside { } a comma begins the next key, so a text with a comma in it is cut in two.",
        "parts:\n  paid: { from: properties.status == 'paid, sent', as: boolean }",
        "parts:\n  paid: { from: \"properties.status == 'paid, sent'\", as: boolean }",
    ),
    "anchor": CodeDoc(
        "Anchor",
        "YAML's anchors (&name) are not allowed: what several places share is a part, which has a name and a place.",
        "parts:\n  ids: &ids { fields: { id: userId } }",
        "parts:\n  ids: { fields: { id: userId } }",
    ),
    "alias": CodeDoc(
        "Alias",
        "YAML's aliases (*name) are not allowed: use a part by its path. A path that begins with * needs quotes.",
        "parts:\n  all: *ids",
        "parts:\n  ids: { fields: { id: userId } }\n  all: parts.ids",
    ),
    "merge-key": CodeDoc(
        "Merge key",
        "YAML's merge keys (<<) are not allowed: `merge` makes one object of several.",
        "parts:\n  all: { fields: { <<: { id: userId }, name: traits.name } }",
        "parts:\n  all: { merge: [{ fields: { id: userId } }, { fields: { name: traits.name } }] }",
    ),
    "tag": CodeDoc(
        "Tag",
        "YAML's tags (!name) are not allowed. A condition that begins with ! is what `unless` is for.",
        "parts:\n  guest: { from: anonymousId, when: !userId }",
        "parts:\n  guest: { from: anonymousId, unless: userId }",
    ),
    "several-documents": CodeDoc(
        "Several documents",
        "A mapping file holds one document. Every destination has its own file.",
        "about: The first.\n---\nabout: The second.",
        "about: The only one.",
    ),
    "number-range": CodeDoc(
        "Number too large",
        "JSON writers in use hold integers of 64 bits and no infinite numbers. An id is text, whatever it looks like.",
        "parts:\n  id: { const: 100000000000000000000 }",
        'parts:\n  id: { const: "100000000000000000000" }',
    ),
    "capital-word": CodeDoc(
        "True is text",
        "Only true, false and null in small letters are more than text. Other YAML readers differ about the capital "
        "ones, so quotes make clear which is meant. A warning.",
        "parts:\n  yes: { const: True }",
        "parts:\n  yes: { const: true }",
    ),
}
