"""What stops an evaluation, as a sentence for the person who started it."""

FAILED = 1
USAGE = 2


class EvaluationFailed(Exception):
    """`exit_code` is 1 for the data's fault and 2 for the options'."""

    def __init__(self, sentence: str, *, exit_code: int = FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def usage(sentence: str) -> EvaluationFailed:
    """A failure that other options would mend."""
    return EvaluationFailed(sentence, exit_code=USAGE)
