"""Runs programs side by side: when one ends the others are ended too, and nothing is restarted silently."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from types import FrameType

from django.conf import settings

from anomaly_server.running import PATIENCE_S, Record

POLL_S = 0.1
# Signals within this time are one: `make` passes on the one that the whole process group got already.
SAME_SIGNAL_S = 1.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Starts programs, ends them on Ctrl-C and SIGTERM. A second signal kills them."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.signals = 0
        self.first_signal = 0.0
        for number in SIGNALS:
            signal.signal(number, self.take_signal)

    def take_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1
        if self.signals == 1:
            self.first_signal = time.monotonic()
        elif time.monotonic() > self.first_signal + SAME_SIGNAL_S:
            self.each("kill")

    def start(self, name: str, command: list[str], **environment: str) -> subprocess.Popen[bytes]:
        """Start `command` in the folder of `manage.py`, with `environment` on top of ours."""
        # A session of its own: the terminal's Ctrl-C reaches us only, and we pass it on once.
        program = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env={**os.environ, **environment}, start_new_session=True
        )
        self.programs[name] = program
        self.record.add(program.pid)
        return program

    def step(self, name: str, command: list[str]) -> int | None:
        """Run one program to its end. Returns its exit code, None if we were asked to stop meanwhile."""
        program = self.start(name, command)
        while program.poll() is None and not self.signals:
            time.sleep(POLL_S)
        self.stop()
        return None if self.signals else program.returncode

    def watch(self, is_ready: Callable[[], bool], when_ready: Callable[[], None]) -> str | None:
        """Wait until a signal or the end of a program. Returns that program's name and how it ended."""
        ready = False
        while not self.signals:
            for name, program in self.programs.items():
                if program.poll() is not None:
                    return f"{name} ended with exit code {program.returncode}"
            if not ready and is_ready():
                ready = True
                when_ready()
            time.sleep(POLL_S)
        return None

    def stop(self) -> None:
        """End all programs: asked first, killed after PATIENCE_S."""
        self.each("terminate")
        patience_ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < patience_ends and any(p.poll() is None for p in self.programs.values()):
            time.sleep(POLL_S)
        self.each("kill")
        for program in self.programs.values():
            program.wait()
        self.programs.clear()

    def each(self, action: str) -> None:
        for program in self.programs.values():
            if program.poll() is None:
                getattr(program, action)()
