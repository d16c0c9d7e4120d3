"""The collected static files, made again only when a source changed."""

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def fingerprint() -> str:
    """A digest of every static file's name, size and time of change."""
    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    found = [(name, storage.path(name)) for finder in get_finders() for name, storage in finder.list([])]
    for name, path in sorted(found):
        status = Path(path).stat()
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def collect() -> bool:
    """Collect the static files if they changed since the last time; True if they did."""
    root = Path(settings.STATIC_ROOT)
    # Beside the folder, not in it: everything in it is served.
    stamp = root.with_name(root.name + ".sha256")
    wanted = fingerprint()
    if stamp.is_file() and stamp.read_text() == wanted and (root / "staticfiles.json").is_file():
        return False
    call_command("collectstatic", interactive=False, clear=root.is_dir(), verbosity=0)
    stamp.write_text(wanted)
    return True
