"""The mapping that is edited."""

from __future__ import annotations

MAPPING = """\
mapping: 1
name: shop
title: Shop
about: A mapping of a test.
docs: https://example.com
settings:
  api_key: { title: API Key, type: string, secret: true, sent_in: body, example: k3y }
http: { base_url: "https://api.example.com" }
requests: { send: { path: /send } }
parts:
  who: [userId, anonymousId]
calls:
  track:
    - request: send
      fields:
        key: settings.api_key
        id: parts.who # 🎉
        total: { from: properties.total, as: number }
examples:
  - title: An order
    event: { type: track, messageId: m1, event: Bought, userId: u1, properties: { total: "1.5", currency: EUR } }
    expect: [send: { id: u1, total: 1.5 }]
"""
