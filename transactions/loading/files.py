"""A file as something to load: examined, its columns bound to our fields, and its reject file ready to be made."""

import hashlib
import zlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from transactions.loading.chunks import Chunk, cut
from transactions.loading.failures import LoadFailed, usage
from transactions.loading.options import Shape
from transactions.loading.records import read
from transactions.loading.rejects import RejectFile
from transactions.loading.shape import Binding, Shaper
from transactions.loading.sources import STDIN, Source

# A new number whenever the same file and options come to give other rows.
MEANING = 1


@dataclass(slots=True)
class FileJob:
    """A file and the way its rows are to be read."""

    source: Source
    shape: Shape
    delimiter: str = ""
    rejects_at: str = ""
    name: str = ""
    digest: str = ""
    size: int = 0
    rejects: RejectFile | None = None
    binding: Binding | None = None

    def __post_init__(self) -> None:
        """Raises LoadFailed if the options do not fit the file's columns."""
        self.name, self.size = self.source.name, self.source.size
        records = read(self.source, delimiter=self.delimiter)
        records.close()
        is_csv = self.source.format == "csv"
        self.binding = Binding(self.shape, records.columns, name=self.name, is_csv=is_csv)
        self.rejects = RejectFile(
            _reject_places(self.source, self.rejects_at),
            records.columns,
            is_csv,
            records.delimiter,
            self.source.encoding,
        )
        how = f"{MEANING}\n{self.source.format}\n{self.source.encoding}\n{records.delimiter}\n{self.shape.meaning()}"
        self.digest = hashlib.blake2b(self.source.digest + how.encode(), digest_size=32).hexdigest()

    def chunks(self, position: int, line: int, max_rejects: int | None) -> Generator[Chunk]:
        """The rows from `position` on."""
        assert self.binding
        records = read(self.source, delimiter=self.delimiter)
        try:
            if position:
                records.seek(position, line)
            yield from cut(records, Shaper(self.binding), max_rejects=max_rejects)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise LoadFailed(f"{self.name} could be read before, and now no more: {error}.") from error
        finally:
            records.close()

    def check_complete(self) -> None:
        """Raises LoadFailed if the file is no longer what was examined."""
        self.source.check_unchanged()


def _reject_places(source: Source, given: str) -> list[Path]:
    """Where the reject file may be made: as said, or else beside the source, or else in `var/rejects`."""
    name = "stdin" if source.name == STDIN or source.spool else source.path.name
    default = f"{name}.rejects.{source.format}"
    if given:
        return [Path(given) / default if Path(given).is_dir() else Path(given)]
    var = settings.BASE_DIR / "var" / "rejects" / default
    return [var] if source.spool else [source.path.with_name(default), var]


def check_rejects_at(given: str, files: int) -> None:
    """Raises LoadFailed (usage) if one reject file is named for several files."""
    if given and files > 1 and not Path(given).is_dir():
        raise usage(f"--rejects {given}: with several files name a folder that exists; each file gets its own in it.")
