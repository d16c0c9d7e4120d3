"""What machines read from the log: one JSON object a line, whoever wrote it."""

import json
import logging
import logging.config
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.test import Client

from anomaly_server import logs
from tests.factories import AnalystFactory


@contextmanager
def heard(style: str, **more: Any) -> Iterator[None]:
    """The log is written in this style."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logging.config.dictConfig({**logs.configure(level="INFO", style=style), **more})
        yield
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)


def lines_of(style: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What two writers say under `style`: structlog, and a library with plain logging."""
    with heard(style, loggers={}):
        structlog.get_logger("ours").info("stored", rows=3)
        try:
            raise ValueError("with\nbreak")
        except ValueError:
            logging.getLogger("theirs").exception("failed %s", "here", extra={"attempt": 2})
        logging.getLogger("theirs").debug("unheard")
    return capsys.readouterr().err.splitlines()


def test_each_line_is_an_object_with_time_level_and_logger(capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = (json.loads(line) for line in lines_of("json", capsys))
    assert (ours["event"], ours["rows"], ours["level"], ours["logger"]) == ("stored", 3, "info", "ours")
    assert (theirs["event"], theirs["attempt"], theirs["level"]) == ("failed here", 2, "error")
    assert "ValueError: with\nbreak" in theirs["exception"]
    assert ours["timestamp"].endswith("Z")


def test_auto_is_json_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    assert len([json.loads(line) for line in lines_of("auto", capsys)]) == 2


def test_plain_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of("plain", capsys)
    assert "stored" in lines[0]
    assert "rows=3" in lines[0]
    assert not lines[0].startswith("{")


@pytest.mark.django_db
def test_of_logins_failures_and_lockouts_are_told_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    user = AnalystFactory(username="ana")
    user.set_password("a good password")
    user.save()
    passwords = ["a good password", *["wrong"] * settings.AXES_FAILURE_LIMIT]
    # The others bring handlers that would outlive the test.
    axes = logs.configure(level="INFO", style="json")["loggers"]["axes"]
    with heard("json", loggers={"axes": axes}):
        for password in passwords:
            Client().post("/admin/login/", {"username": "ana", "password": password})
    told = [line for line in map(json.loads, capsys.readouterr().err.splitlines()) if line["logger"].startswith("axes")]
    assert len(told) == settings.AXES_FAILURE_LIMIT + 1
    assert {line["level"] for line in told} == {"warning"}
    assert "New login failure" in told[0]["event"]
    assert "Locking out" in told[-1]["event"]
