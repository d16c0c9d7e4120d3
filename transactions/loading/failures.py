"""What stops a load, as a sentence for the person who started it."""

FAILED = 1
USAGE = 2


class LoadFailed(Exception):
    """The load cannot begin or go on; `exit_code` is 1 for the data's fault and 2 for the options'."""

    def __init__(self, sentence: str, *, exit_code: int = FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def usage(sentence: str) -> LoadFailed:
    """A failure that other options would mend."""
    return LoadFailed(sentence, exit_code=USAGE)
