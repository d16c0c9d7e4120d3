"""What machines read from the log: one JSON object a line, whoever wrote it."""

import json
import logging
import logging.config

import pytest
import structlog

from anomaly_server import logs


def lines_of(style: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What two writers say under `style`: structlog, and a library with plain logging."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logging.config.dictConfig({**logs.configure(level="INFO", style=style), "loggers": {}})
        structlog.get_logger("ours").info("stored", rows=3)
        try:
            raise ValueError("with\nbreak")
        except ValueError:
            logging.getLogger("theirs").exception("failed %s", "here", extra={"attempt": 2})
        logging.getLogger("theirs").debug("unheard")
    finally:
        structlog.configure(**before)
        root.handlers[:] = handlers
        root.setLevel(level)
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
