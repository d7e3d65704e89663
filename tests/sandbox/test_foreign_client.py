"""A client that knows nothing of us, the vendor's own Python SDK, works against the sandbox."""

from __future__ import annotations

import pytest
from exponea_python_sdk import Exponea
from exponea_python_sdk.exceptions import APIException


@pytest.fixture
def client(sandbox):
    return Exponea("project-token", username="key-id", password="private-secret", url=sandbox.url)


def test_system_time(client):
    assert client.tracking.get_system_time() > 1_700_000_000


def test_tracking_and_reading_back(client):
    ids = {"registered": "test", "cookie": "c1"}
    assert client.tracking.update_customer_properties(ids, {"first_name": "Lukas", "last_name": "Cerny"}) is True
    assert client.tracking.add_event(ids, "test", properties={"foo": "bar"}, timestamp=1533495544.343536) is True
    assert client.tracking.add_event(ids, "bare") is True
    customer = client.customer.get_customer({"cookie": "c1"})
    assert customer["ids"] == {"registered": "test", "cookie": ["c1"]}
    assert customer["properties"] == {"first_name": "Lukas", "last_name": "Cerny"}
    assert [event["type"] for event in customer["events"]] == ["test", "bare"]
    assert client.customer.get_events(ids, ["test"]) == [
        {"type": "test", "timestamp": 1533495544.343536, "properties": {"foo": "bar"}}
    ]
    assert client.customer.get_customer_attributes(ids, properties=["first_name"], ids=["registered"]) == {
        "properties": {"first_name": "Lukas"},
        "ids": {"registered": "test"},
    }
    assert client.customer.get_customers() == [
        {
            "ids": {"registered": "test", "cookie": ["c1"]},
            "properties": {"first_name": "Lukas", "last_name": "Cerny"},
        }
    ]


def test_batches(client):
    tracking = client.tracking
    results = tracking.batch_commands(
        [
            tracking.update_customer_properties({"registered": "test"}, {"a": 1}, batch=True),
            tracking.add_event({"registered": "test"}, "test", {"a": 1}, 1, batch=True),
            tracking.add_event({}, "test", {"a": 1}, 1, batch=True),
            tracking.get_system_time(batch=True),
        ]
    )
    assert results[:3] == [True, True, False]
    assert results[3] > 1_700_000_000


def test_anonymising(client, sandbox):
    client.tracking.update_customer_properties({"registered": "test"}, {"email": "a@example.com"})
    assert client.customer.anonymize_customer({"registered": "test"}) is True
    with pytest.raises(APIException, match="Customer does not exist"):
        client.customer.get_customer({"registered": "test"})
    (customer,) = sandbox.state("exponea")["customers"]
    assert (customer["properties"], list(customer["ids"])) == ({}, ["cookie"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"project_token": "other"}, "Could not authenticate"),
        ({"username": "other"}, "access key not found"),
        ({"password": "other"}, "invalid secret"),
    ],
)
def test_what_the_client_is_told(sandbox, change, words):
    given = {"project_token": "project-token", "username": "key-id", "password": "private-secret", **change}
    with pytest.raises(APIException) as caught:
        Exponea(**given, url=sandbox.url).tracking.add_event({"registered": "a"}, "e")
    assert str(caught.value) == words
