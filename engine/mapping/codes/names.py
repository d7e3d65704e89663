"""The codes of names: things that are named and are not there, go in a circle, or are used by nothing."""

from __future__ import annotations

from engine.mapping.codes.doc import CodeDoc

NAMES: dict[str, CodeDoc] = {
    "unknown-field": CodeDoc(
        "Unknown field",
        "A path begins with a field of its call (an event's `traits`, `properties`, `userId` ...) or with parts, "
        "settings, options, message or saved; inside a loop with item, index and key too. A word that is meant as "
        "such is `{ const: word }`. A field of an example's event that is nearly one of its call is a warning.",
        "calls:\n  page:\n    - request: save\n      fields: { event_type: page_visit, title: name }",
        "calls:\n  page:\n    - request: save\n      fields: { event_type: { const: page_visit }, title: name }",
    ),
    "unknown-setting": CodeDoc(
        "Unknown setting",
        "`settings.name`, and the settings of an example, must be settings of this mapping. Where several places agree "
        "against the definition, it is the definition that is told.",
        "http: { base_url: '${settings.adress}' }\nsettings:\n  address: { title: Address, type: url }",
        "http: { base_url: '${settings.address}' }\nsettings:\n  address: { title: Address, type: url }",
    ),
    "unknown-part": CodeDoc(
        "Unknown part",
        "`parts.name` must be a part of this mapping, of what it extends, or of a file it includes.",
        "parts:\n  email: [traits.email, context.traits.email]\n"
        "calls:\n  identify:\n    - request: save\n      fields: { email: parts.emial }",
        "parts:\n  email: [traits.email, context.traits.email]\n"
        "calls:\n  identify:\n    - request: save\n      fields: { email: parts.email }",
    ),
    "unknown-part-key": CodeDoc(
        "A key that a part never has",
        "A part made with `fields` has the keys written there and no others.",
        "parts:\n  ids: { fields: { registered: userId, guest: anonymousId } }\n"
        "calls:\n  track:\n    - request: save\n      fields: { id: parts.ids.registred }",
        "parts:\n  ids: { fields: { registered: userId, guest: anonymousId } }\n"
        "calls:\n  track:\n    - request: save\n      fields: { id: parts.ids.registered }",
    ),
    "unknown-saved": CodeDoc(
        "Unknown saved value",
        "`saved.name` is what an earlier step of the same call has saved; a step cannot read what comes after it.",
        "requests: { find: { path: /find }, save: { path: /save } }\n"
        "calls:\n  track:\n    - request: find\n      save: { key: body.key }\n"
        "    - request: save\n      fields: { user: saved.id }",
        "requests: { find: { path: /find }, save: { path: /save } }\n"
        "calls:\n  track:\n    - request: find\n      save: { key: body.key }\n"
        "    - request: save\n      fields: { user: saved.key }",
    ),
    "unknown-request": CodeDoc(
        "Unknown request",
        "A step, `if_missing`, `check`, `expect` and `replies` name a request of this mapping.",
        "requests: { save: { path: /save } }\ncalls: { track: [{ request: saev, from: properties }] }",
        "requests: { save: { path: /save } }\ncalls: { track: [{ request: save, from: properties }] }",
    ),
    "unknown-batch": CodeDoc(
        "Unknown batch",
        "`batch` names one of `batches`.",
        "requests: { save: { path: /save, batch: all } }\nbatches: { al: { path: /batch, fields: { rows: items } } }",
        "requests: { save: { path: /save, batch: all } }\nbatches: { all: { path: /batch, fields: { rows: items } } }",
    ),
    "unknown-call": CodeDoc(
        "No such call, or one without steps",
        "A call shares the steps of a call that has steps of its own. In an example, `type` is one of the seven calls.",
        "calls:\n  page: [{ request: save, from: properties }]\n  screen: track",
        "calls:\n  page: [{ request: save, from: properties }]\n  screen: page",
    ),
    "part-circle": CodeDoc(
        "Parts in a circle",
        "A part may use other parts, but never, over however many others, itself.",
        "parts:\n  name: [traits.name, parts.full_name]\n  full_name: { text: '${parts.name}' }\n"
        "calls:\n  identify:\n    - request: save\n      fields: { name: parts.name }",
        "parts:\n  name: [traits.name, parts.full_name]\n  full_name: { text: '${traits.first} ${traits.last}' }\n"
        "calls:\n  identify:\n    - request: save\n      fields: { name: parts.name }",
    ),
    "if-missing-circle": CodeDoc(
        "Requests in a circle",
        "`if_missing` names the request that makes what was missing. It cannot lead back to where it began.",
        "requests:\n  save: { path: /save, if_missing: create }\n  create: { path: /create, if_missing: save }",
        "requests:\n  save: { path: /save, if_missing: create }\n  create: { path: /create }",
    ),
    "unused-part": CodeDoc(
        "Unused part",
        "Nothing uses this part. Parts of included files, and of a mapping that is extended, may stay unused.",
        "parts:\n  email: traits.email",
        "parts:\n  email: traits.email\ncalls: { identify: [{ request: save, fields: { email: parts.email } }] }",
    ),
    "unused-setting": CodeDoc(
        "Unused setting",
        "People are asked for this setting, and nothing uses it.",
        "settings:\n  region: { title: Region, type: string }",
        "settings:\n  region: { title: Region, type: string }\n"
        "requests: { save: { path: '/${settings.region}/save' } }",
    ),
    "unused-request": CodeDoc(
        "Unused request",
        "No step sends this request.",
        "requests: { save: { path: /save }, erase: { path: /erase } }",
        "requests: { save: { path: /save }, erase: { path: /erase } }\n"
        "calls: { track: [{ request: save, from: properties }], delete: [{ request: erase }] }",
    ),
    "unused-batch": CodeDoc(
        "Unused batch",
        "No request travels in this batch.",
        "requests: { save: { path: /save } }\nbatches: { all: { path: /batch, fields: { rows: items } } }",
        "requests: { save: { path: /save, batch: all } }\nbatches: { all: { path: /batch, fields: { rows: items } } }",
    ),
    "unused-saved": CodeDoc(
        "Unused saved value",
        "A step saves this of its answer, and nothing reads it.",
        "calls:\n  track:\n    - request: save\n      from: properties\n      save: { id: body.id }",
        "calls:\n  track:\n    - request: save\n      from: properties\n      save: { id: body.id }\n"
        "    - request: save\n      fields: { parent: saved.id }",
    ),
    "unused-include": CodeDoc(
        "Unused file of parts",
        "Nothing uses a part of this file. Here parts/common.yaml has a part email.",
        "include: [common]",
        "include: [common]\ncalls: { track: [{ request: save, fields: { email: parts.email } }] }",
    ),
}
