"""What Slack's answers to an incoming webhook mean: they are texts, not JSON.

The answers are those of https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

from __future__ import annotations

import pytest

from engine.plan import Connection, load
from engine.responses import ResponseReader, Verdict

GONE = "The webhook or its channel is gone. Create a webhook for a channel that exists and is not archived."
FORBIDDEN = "The webhook may not post any more. Ask a Slack admin, or create another one."
REJECTED = "Slack rejected the message; check the row's template."

ANSWERS = [
    (200, "ok", Verdict("accept")),
    (400, "invalid_payload", Verdict("reject", "invalid_payload", REJECTED)),
    (400, "no_text", Verdict("reject", "no_text", REJECTED)),
    (403, "action_prohibited", Verdict("stop", "action_prohibited", FORBIDDEN)),
    (403, "invalid_token", Verdict("stop", "invalid_token", FORBIDDEN)),
    (404, "channel_not_found", Verdict("stop", "channel_not_found", GONE)),
    (404, "no_service", Verdict("stop", "no_service", GONE)),
    (410, "channel_is_archived", Verdict("stop", "channel_is_archived", GONE)),
    (429, "rate_limited", Verdict("retry", "rate_limited")),
    (500, "rollup_error", Verdict("retry", "rollup_error")),
]


@pytest.fixture(scope="module")
def slack() -> Connection:
    destination = load("slack")
    return destination.connect(destination.example_settings(), {})


@pytest.mark.parametrize(("status", "text", "verdict"), ANSWERS)
def test_answers(slack: Connection, status: int, text: str, verdict: Verdict) -> None:
    assert ResponseReader(slack).judge("post_message", status, {}, text, readable=False) == verdict
