"""What travels to executors, and what they say where it does not fit there."""

from __future__ import annotations

import pickle
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import MappingError, MappingNotFound, SettingsError, UsageError
from engine.mapping.settings import Written
from engine.plan import load
from engine.spark.jobs import connected, new_job
from tests.docs.blocks import ROOT
from tests.spark.comparing import example_settings

SETTINGS = {"project_token": "p", "hard_id": "h", "soft_id": "s"}


def test_a_job_travels_as_bytes_and_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("mapping: 1\nextends: exponea\nname: own\ntitle: Own\n")
    job = new_job(own, {**SETTINGS, "api_key": "k"}, received_at="2024-06-01T12:00:00Z")
    own.unlink()
    monkeypatch.chdir("/")
    monkeypatch.setenv("WAYBILL_MAPPINGS", "")
    connection = connected(pickle.loads(pickle.dumps(job)))
    assert connection.mapping.name == "own"
    assert job.now == 1717243200.0
    assert connection is connected(job)


def test_settings_of_another_type_are_another_connection() -> None:
    text = new_job("exponea", {**SETTINGS, "api_key": "k", "flatten_nested_objects": Written("false")})
    value = new_job("exponea", {**SETTINGS, "api_key": "k", "flatten_nested_objects": False})
    assert connected(text) is not connected(value)
    assert connected(text).settings == connected(value).settings


def test_a_destination_is_a_mapping() -> None:
    assert new_job(load("webhook"), example_settings("webhook")).connection == "webhook"


def test_a_secret_is_in_no_text_of_a_job() -> None:
    assert repr(new_job("exponea", {**SETTINGS, "api_key": "hidden"})) == "<PlanJob exponea>"


def test_a_variable_counts_where_events_are_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    job = new_job("exponea", {**SETTINGS, "api_key": "${env:EXPONEA_KEY}"})
    with pytest.raises(UsageError) as error:
        connected(job)
    assert str(error.value) == (
        "Invalid settings for Exponea:\n"
        "  API Key (api_key): the environment variable EXPONEA_KEY is not set.\n"
        f"This is the executor {socket.gethostname()}, where the environment of the driver does not count: "
        "set the variables for executors, for example with --conf spark.executorEnv.EXPONEA_KEY=..., "
        "or as your cluster gives secrets to its pods."
    )
    monkeypatch.setenv("EXPONEA_KEY", "k")
    assert list(connected(job).secrets) == ["k"]


def test_what_a_variable_holds_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPONEA_URL", "no address")
    job = new_job("exponea", {**SETTINGS, "api_key": "k", "api_base_url": "${env:EXPONEA_URL}"})
    with pytest.raises(UsageError, match=r"^Invalid settings for Exponea:\n  API Base URL \(api_base_url\): .*$"):
        connected(job)


def test_another_version_on_the_executor() -> None:
    job = new_job("webhook", example_settings("webhook"))._replace(version="0.0.9")
    with pytest.raises(UsageError) as error:
        connected(job)
    assert str(error.value) == (
        f"The executor {socket.gethostname()} has waybill 0.1.0, the driver 0.0.9; "
        "their results could differ. Install the same version on both."
    )


def test_the_driver_finds_what_it_can() -> None:
    with pytest.raises(MappingNotFound, match=r"^Unknown mapping exponeo; did you mean exponea\?$"):
        new_job("exponeo")
    with pytest.raises(SettingsError) as error:
        new_job("exponea", {"api_key": "${env:EXPONEA_KEY}", "hard_id": "h", "project_tokem": "p"})
    assert error.value.problems == (
        'There is no setting "project_tokem"; did you mean project_token?',
        "Project token (project_token) is not set.",
        "Exponea soft ID (soft_id) is not set.",
    )
    with pytest.raises(SettingsError, match="settings must be an object of names and values"):
        new_job("exponea", ["a"])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r'^received_at="noon" is not a time such as 2024-03-05T10:15:30Z\.$'):
        new_job("webhook", example_settings("webhook"), received_at="noon")


def test_a_mapping_with_problems_fails_on_the_driver(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("mapping: 1\nextends: exponea\nname: bad\ntitle: Bad\nsetings: {}\n")
    with pytest.raises(MappingError) as error:
        new_job(bad, SETTINGS)
    assert str(error.value).startswith(f'{bad}:5:1  setings\n  A mapping file has no key "setings".\n')


ALONE = """
import sys
sys.path.append(sys.argv[1])
try:
    from engine.spark import plan_events
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_the_extra() -> None:
    done = subprocess.run([sys.executable, "-I", "-S", "-c", ALONE, str(ROOT)], capture_output=True, check=True)
    assert done.stdout.decode() == (
        "UsageError plan_events needs packages that are not installed (pyspark): pip install 'waybill[spark]'\n"
    )
