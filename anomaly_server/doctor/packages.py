"""The Python packages: what the lock names, in the versions that it names."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from django.conf import settings
from packaging.requirements import Requirement

from anomaly_server.doctor.findings import Finding, error, ok, warning

DO = "Run `make run`, or `pip install --require-hashes -r requirements.txt` in the environment that runs this."


def locked(lock: Path) -> Iterator[Requirement]:
    """Those that this Python and system need."""
    for line in lock.read_text().splitlines():
        text = line.rstrip("\\ ").strip()
        if text and not text.startswith(("#", "--")):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                yield requirement


def packages() -> Finding:
    lock = settings.BASE_DIR / "requirements.txt"
    if not lock.exists():
        return ok("packages", "No requirements.txt lies here to compare with; an image is built from it.")
    missing, others, count = [], [], 0
    for count, one in enumerate(locked(lock), 1):  # noqa: B007  # counted
        try:
            is_right = one.specifier.contains(version(one.name), prereleases=True)
        except PackageNotFoundError:
            missing.append(one.name)
        else:
            others += [] if is_right else [f"{one.name} {version(one.name)}"]
    if missing:
        return error("packages", f"Not installed: {', '.join(missing)}.", DO)
    if others:
        return warning("packages", f"Not as locked: {', '.join(others)}.", DO)
    return ok("packages", f"All {count} are installed as locked.")
