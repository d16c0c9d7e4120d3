"""Programs side by side, and the record of them. The programs are small; test_up.py has the real ones."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from django.core.management import CommandError

from anomaly_server import running, supervisor
from anomaly_server.management.commands.up import free_port
from tests.anomaly_server.programs import ROOT, started, wait_until

# Runs two programs and says what `watch` said. Arguments: the record, the two programs, the patience.
SUPERVISE = """
import pathlib, sys, django
from anomaly_server import running, supervisor
supervisor.PATIENCE_S = float(sys.argv[4])
with running.claimed(pathlib.Path(sys.argv[1])) as record:
    both = supervisor.Supervisor(record)
    for name, code in zip(("one", "two"), sys.argv[2:4], strict=True):
        both.start(name, [sys.executable, "-c", code])
    said = both.watch(is_ready=lambda: True, when_ready=lambda: print("ready", flush=True))
    both.stop()
    print(said, flush=True)
"""
LONG = "import time; time.sleep(600)"
SLOW = """
import signal, time
ends = []
signal.signal(signal.SIGTERM, lambda *_: ends.append(time.monotonic() + {takes_s}))
print("slow is ready", flush=True)
while not ends or time.monotonic() < ends[0]:
    time.sleep(0.05)
print("ended in its own time", flush=True)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def supervise(folder: Path, one: str, two: str, *, patience_s: float = 3) -> tuple[str, ...]:
    return (sys.executable, "-c", SUPERVISE, str(folder / "run.json"), one, two, str(patience_s))


def of_settings() -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "anomaly_server.settings", "PYTHONPATH": str(ROOT)}


def test_when_one_ends_the_other_is_ended_and_it_is_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started(*supervise(tmp_path, LONG, "raise SystemExit(3)"), log=log, **of_settings()) as program:
        assert program.wait(timeout=120) == 0
    assert "two ended with exit code 3" in log.read_text()
    assert running.recorded(tmp_path / "run.json") == []


@pytest.mark.parametrize("number", supervisor.SIGNALS)
def test_a_signal_ends_both(tmp_path: Path, number: int) -> None:
    log = tmp_path / "log"
    with started(*supervise(tmp_path, LONG, LONG), log=log, **of_settings()) as program:
        wait_until(lambda: "ready" in log.read_text())
        children = psutil.Process(program.pid).children()
        program.send_signal(number)
        assert program.wait(timeout=120) == 0
    assert log.read_text().endswith("None\n")
    assert not any(child.is_running() for child in children)


def test_a_signal_that_comes_twice_at_once_is_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    slow = SLOW.format(takes_s=1.6)
    with started(*supervise(tmp_path, LONG, slow, patience_s=60), log=log, **of_settings()) as program:
        wait_until(lambda: "slow is ready" in log.read_text())
        terminate_twice_at_once(program)
        assert program.wait(timeout=120) == 0
    assert "ended in its own time" in log.read_text()


def terminate_twice_at_once(program: "subprocess.Popen[bytes]") -> None:
    """By one process that sends both, so that no pause of ours falls between them."""
    subprocess.run(["sh", "-c", f"kill {program.pid}; kill {program.pid}"], check=True)


def test_a_second_signal_later_kills(tmp_path: Path) -> None:
    log = tmp_path / "log"
    slow = SLOW.format(takes_s=600)
    with started(*supervise(tmp_path, LONG, slow, patience_s=600), log=log, **of_settings()) as program:
        wait_until(lambda: "slow is ready" in log.read_text())
        program.terminate()
        time.sleep(supervisor.SAME_SIGNAL_S + 0.2)
        program.terminate()
        assert program.wait(timeout=120) == 0
    assert "ended in its own time" not in log.read_text()


def test_one_that_does_not_listen_is_killed_in_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started(*supervise(tmp_path, LONG, DEAF), log=log, **of_settings()) as program:
        wait_until(lambda: "ready" in log.read_text())
        children = psutil.Process(program.pid).children()
        program.terminate()
        assert program.wait(timeout=120) == 0
    assert len(children) == 2
    assert not any(child.is_running() for child in children)


def test_the_lock_goes_with_the_process_that_holds_it(tmp_path: Path) -> None:
    record = tmp_path / "run.json"
    log = tmp_path / "log"
    with started(*supervise(tmp_path, LONG, LONG), log=log, **of_settings()) as program:
        wait_until(lambda: "ready" in log.read_text())
        with pytest.raises(running.AlreadyRunning), running.claimed(record):
            pass
        left = running.recorded(record)[1:]
        program.send_signal(signal.SIGKILL)
        program.wait()
    assert [process.is_running() for process in left] == [True, True]
    with running.claimed(record):
        # Whoever comes next first ends what is left.
        assert not any(running.works(process) for process in left)


def test_a_stranger_with_the_number_of_ours_is_left_alone(tmp_path: Path) -> None:
    record = tmp_path / "run.json"
    with started("sleep", "600", log=tmp_path / "log") as stranger:
        record.write_text(json.dumps([{"pid": stranger.pid, "born": psutil.Process(stranger.pid).create_time() - 60}]))
        assert running.end(record) == 0
        assert stranger.poll() is None


@pytest.mark.parametrize("text", ["", '[{"pid": 1', "[]"])
def test_a_record_cut_short_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    assert running.recorded(tmp_path / "run.json") == []
    assert running.recorded(tmp_path / "never written") == []


def test_no_free_port_is_told() -> None:
    with pytest.raises(CommandError, match=r"No port from 18200 to 18250 can be used on 192\.0\.2\.1"):
        free_port("192.0.2.1", 18200)


def test_the_last_port_is_the_last_one_tried() -> None:
    assert free_port("127.0.0.1", 65535) == 65535
