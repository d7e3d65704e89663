"""The outbox: the durable queue between what comes in and what is delivered."""
