"""The codes of files that belong together: `extends`, `include`, and names of files."""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc

LOADING: dict[str, CodeDoc] = {
    "name-is-not-file": CodeDoc(
        "Name is not that of the file",
        "A mapping is found by the name of its file, so `name` is the file's name without .yaml. Here it is shop.yaml.",
        "name: shopp",
        "name: shop",
    ),
    "duplicate-name": CodeDoc(
        "Two files with one name",
        "Two of the files that were named in one run have the same name, so only one of them could ever be found.",
        "# validate-mappings mappings/shop.yaml old/shop.yaml",
        "# validate-mappings mappings/shop.yaml old/shop_2023.yaml",
    ),
    "unknown-mapping": CodeDoc(
        "Unknown mapping",
        "`extends` names a mapping beside this one, or one that ships. Here there is a base.yaml.",
        "extends: bsae",
        "extends: base",
    ),
    "extends-itself": CodeDoc(
        "Extends itself",
        "A mapping starts from another one, never from itself.",
        "extends: shop",
        "extends: base",
    ),
    "extends-twice": CodeDoc(
        "Extends what extends",
        "`extends` goes one level: whoever reads a mapping has two files to look at, never three. "
        "Here child.yaml extends base.yaml.",
        "extends: child",
        "extends: base",
    ),
    "unknown-include": CodeDoc(
        "Unknown file of parts",
        "`include` names files of the folder parts, beside this mapping or among those that ship. "
        "Here there is a parts/common.yaml with a part email.",
        "include: [comon]",
        "include: [common]\ncalls: { track: [{ request: save, fields: { email: parts.email } }] }",
    ),
    "duplicate-part": CodeDoc(
        "Part twice",
        "Two files bring a part of the same name, and nobody could tell which one counts. Here parts/common.yaml has "
        "a part email too.",
        "include: [common]\nparts:\n  email: properties.email",
        "include: [common]\nparts:\n  buyer_email: properties.email",
    ),
}
