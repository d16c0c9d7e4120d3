"""Files and standard input as plain bytes that have been read once to the end before a row is stored.

The first reading finds what would otherwise be found in the middle of a load: a gzip file that breaks off, bytes
that are no text. It also gives the digest by which an interrupted load finds its place again: of the content,
so that a renamed, moved or compressed copy is still the same file.
"""

import codecs
import gzip
import hashlib
import io
import os
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from transactions.loading.failures import LoadFailed

STDIN = "-"
BLOCK = 1 << 20
# A line is held in memory whole. No good row comes near this.
LONGEST_LINE = 16 << 20
FORMATS = ("csv", "ndjson")
# Those in which a line feed is always the byte 0A: lines are told apart before they are decoded.
ENCODINGS = ("utf-8", "latin-1", "iso-8859-15", "windows-1252")
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson"}
FOREIGN = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet: save it as CSV, or unpack it first"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"PAR1", "a Parquet file: save it as CSV or NDJSON first"),
    (b"SQLite format 3", "an SQLite database: export it as CSV first"),
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8 first, for example with iconv"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8 first, for example with iconv"),
)
# Called with the bytes of the file read so far, and its size.
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Source:
    """One examined input. `size`, like every position in it, counts bytes of the unpacked content."""

    name: str
    path: Path
    # Standard input, or a pipe, kept in a temporary file: it is read twice, and can be gone on with after a kill.
    spool: BinaryIO | None = None
    gzipped: bool = False
    format: str = ""
    encoding: str = "utf-8"
    size: int = 0
    digest: bytes = b""
    stamp: tuple[int, ...] = ()

    def open(self) -> BinaryIO:
        """The unpacked content from its beginning; a byte order mark is still there."""
        if self.spool is None:
            file: BinaryIO = gzip.open(self.path) if self.gzipped else open(self.path, "rb")  # type: ignore[assignment]
            return _buffered(file) if self.gzipped else file
        self.spool.seek(0)
        return _unpacked(self.spool, gzipped=self.gzipped)

    def close(self) -> None:
        """Let go of the temporary file, if there is one."""
        if self.spool is not None:
            self.spool.close()

    def check_unchanged(self) -> None:
        """Raises LoadFailed if somebody wrote to the file since it was examined."""
        if self.spool is None and _stamp(self.path) != self.stamp:
            raise LoadFailed(
                f"{self.name} changed while it was being loaded. Load it again when it is complete: "
                f"rows that are already stored count as duplicates."
            )


def examine(name: str, *, kind: str = "", encoding: str = "utf-8", progress: Progress | None = None) -> Source:
    """Read `name` ("-" is standard input) to its end and tell what it is.

    Raises LoadFailed, with a sentence, for whatever could not be loaded whole.
    """
    source = Source("standard input" if name == STDIN else name, Path(name), encoding=encoding)
    try:
        if name == STDIN:
            source.spool = _spooled(cast(BinaryIO, sys.stdin.buffer))
        elif not Path(name).is_file() and Path(name).exists():
            with open(name, "rb") as pipe:
                source.spool = _spooled(pipe)
        _examine(source, kind, progress)
    except BaseException as error:
        source.close()
        if isinstance(error, OSError | zlib.error | EOFError):
            raise LoadFailed(_unreadable(source.name, error)) from error
        raise
    return source


def _spooled(pipe: BinaryIO) -> BinaryIO:
    spool = tempfile.TemporaryFile()
    while block := pipe.read(BLOCK):
        spool.write(block)
    spool.seek(0)
    return cast(BinaryIO, spool)


def _examine(source: Source, kind: str, progress: Progress | None) -> None:
    file = source.spool or open(source.path, "rb")
    try:
        source.stamp = () if source.spool else _stamp(source.path)
        source.gzipped = file.read(2) == b"\x1f\x8b"
        packed_size = file.seek(0, io.SEEK_END)
        file.seek(0)
        content = _unpacked(file, gzipped=source.gzipped)
        start = content.read(BLOCK)
        _refuse_foreign(source.name, start)
        source.format = kind or _format(source, start)
        _read_through(source, content, start, lambda: progress and progress(file.tell(), packed_size))
    finally:
        if file is not source.spool:
            file.close()


def _stamp(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


def _unpacked(file: BinaryIO, *, gzipped: bool) -> BinaryIO:
    return _buffered(gzip.GzipFile(fileobj=file)) if gzipped else file


def _buffered(file: object) -> BinaryIO:
    # GzipFile reads a line in Python; this reads it in C.
    return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, file), BLOCK))


def _read_through(source: Source, content: BinaryIO, block: bytes, tick: Callable[[], object]) -> None:
    """Set the digest and the length of the content. Raises LoadFailed where it is no text or nothing at all."""
    digest, line, is_blank, run = hashlib.blake2b(digest_size=32), 1, True, 0
    decoder = codecs.getincrementaldecoder(source.encoding)()
    try:
        while block:
            end = block.rfind(b"\n")
            run = run + len(block) if end < 0 else len(block) - end - 1
            if run > LONGEST_LINE:
                raise LoadFailed(
                    f"{source.name}, line {line:,} is longer than {LONGEST_LINE >> 20} MiB: this is no list of rows."
                )
            text = decoder.decode(block)
            is_blank = is_blank and not text.strip("\ufeff \t\r\n")
            digest.update(block)
            source.size += len(block)
            line += block.count(b"\n")
            tick()
            block = content.read(BLOCK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        raise LoadFailed(_not_text(source, line)) from error
    if is_blank:
        raise LoadFailed(f"{source.name} is empty: there is nothing to load.")
    source.digest = digest.digest()


def _refuse_foreign(shown: str, start: bytes) -> None:
    for magic, sentence in FOREIGN:
        if start.startswith(magic):
            raise LoadFailed(f"{shown} is {sentence}.")


def _format(source: Source, start: bytes) -> str:
    """By the name's ending, or else by the first character."""
    first = start.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    suffixes = [suffix.lower() for suffix in source.path.suffixes]
    named = next((SUFFIXES[suffix] for suffix in reversed(suffixes) if suffix in SUFFIXES), "")
    if first == b"[" and named != "csv":
        raise LoadFailed(f"{source.name} is one JSON array. Write one object a line, for example with jq -c '.[]'.")
    return named or ("ndjson" if first == b"{" else "csv")


def _not_text(source: Source, line: int) -> str:
    others = ", ".join(other for other in ENCODINGS if other != source.encoding)
    return (
        f"{source.name}, line {line:,}: these bytes are not {source.encoding} text. "
        f"Mend the file, or name its encoding with --encoding ({others})."
    )


def _unreadable(shown: str, error: Exception) -> str:
    if isinstance(error, EOFError):
        return f"{shown} breaks off: the gzip file is incomplete. Nothing of it was loaded."
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return f"{shown} is a damaged gzip file ({error}). Nothing of it was loaded."
    return f"{shown} cannot be read: {getattr(error, 'strerror', None) or error}."
