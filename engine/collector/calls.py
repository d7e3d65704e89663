"""The addresses of Segment's HTTP API: those of the documents, the short forms of browsers, the old name of batches.

https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ ; `import` is what Segment's library
for Android calls a batch, the one-letter forms come from analytics.js.  `delete` brings Segment's deletion requests.
"""

from __future__ import annotations

BATCH = "batch"
CALLS: dict[str, str] = {
    "/v1/identify": "identify",
    "/v1/i": "identify",
    "/v1/track": "track",
    "/v1/t": "track",
    "/v1/page": "page",
    "/v1/p": "page",
    "/v1/screen": "screen",
    "/v1/s": "screen",
    "/v1/group": "group",
    "/v1/g": "group",
    "/v1/alias": "alias",
    "/v1/a": "alias",
    "/v1/delete": "delete",
    "/v1/batch": BATCH,
    "/v1/b": BATCH,
    "/v1/import": BATCH,
}
"""Path -> call."""
