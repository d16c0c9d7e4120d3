"""Bodies in chunks: where one ends, as it comes, and its length, once it is whole.

Django reads as much as Content-Length says, and a body in chunks has none.
"""

import re
import shutil
import tempfile
from typing import Any

READ_BYTES = 64 * 1024
# Bodies above this size wait in a file.
IN_MEMORY = 64 * 1024
SIZE = re.compile(rb"[ \t]*([0-9a-f]{1,15})[ \t]*(;.*)?", re.IGNORECASE)
MOST_SIZE_LINE = 4096
# Each costs some microseconds. With a row in each there are ten thousand at most.
MOST_CHUNKS = 100_000


class Chunks:
    """Finds the end of a body in chunks. What they hold is for gunicorn to read, once it is whole."""

    def __init__(self) -> None:
        self.rest = b""
        self.skips = 0
        self.count = 0
        # Behind the last chunk come lines up to an empty one.
        self.is_last = self.has_ended = False

    def add(self, data: bytes) -> None:
        while data and not self.has_ended:
            if self.skips:
                skipped = min(self.skips, len(data))
                self.skips -= skipped
                data = data[skipped:]
                continue
            line, end, data = (self.rest + data).partition(b"\n")
            self.rest = b"" if end else line
            if end:
                self.take(line.strip(b"\r"))
            elif len(line) > MOST_SIZE_LINE:
                self.has_ended = True

    def take(self, line: bytes) -> None:
        size = SIZE.fullmatch(line)
        if self.is_last:
            self.has_ended = not line
        elif size is None:
            self.has_ended = True  # gunicorn says what is wrong with it.
        else:
            self.count += 1
            self.is_last = int(size[1], 16) == 0
            self.skips = 0 if self.is_last else int(size[1], 16) + 2


def join(environ: dict[str, Any]) -> None:
    """Give a body that came in chunks, all of them, the length without which Django takes it for empty.

    Raises what gunicorn says of chunks that are none.
    """
    body = tempfile.SpooledTemporaryFile(IN_MEMORY)
    shutil.copyfileobj(environ["wsgi.input"], body, READ_BYTES)
    environ["CONTENT_LENGTH"] = str(body.tell())
    body.seek(0)
    environ["wsgi.input"] = body
    del environ["HTTP_TRANSFER_ENCODING"]
