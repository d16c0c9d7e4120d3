"""Where the compiled code of scoring is kept: in a folder for each state of its sources.

Numba compares a function's own file alone with what it has kept, and constants come from others: one folder for all
would go on with the old ones after an upgrade.

    python -m anomaly_server.compiled

compiles it before the first start, which takes ten to twenty seconds, say in an image.
"""

import os
from hashlib import blake2b
from pathlib import Path

SOURCES = Path(__file__).parent.parent / "scoring"


def keep_in(folder: Path) -> None:
    """Have it kept below `folder` by this process and those that it starts; if nobody may write there, by nobody."""
    place = folder / state_of(SOURCES)
    if is_open(place):
        os.environ["NUMBA_CACHE_DIR"] = str(place)
    else:
        os.environ.pop("NUMBA_CACHE_DIR", None)


def state_of(sources: Path) -> str:
    """A name for what the sources are."""
    found = blake2b(digest_size=8)
    for file in sorted(sources.glob("*.py")):
        found.update(f"{file.name}\n".encode() + file.read_bytes())
    return found.hexdigest()


def is_open(folder: Path) -> bool:
    """Whether files may be made in it, or it may be made itself."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def main() -> None:
    import scoring
    from anomaly_server import settings  # noqa: F401  # it says in which folder, before anything is compiled

    scoring.get_ready()


if __name__ == "__main__":
    main()
