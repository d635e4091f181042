"""A user's mistake: one sentence that says what was given, what is allowed and what to do; exit status 2."""

import sys
import types
import unicodedata

from absl import app

USER_ERROR = 2  # the exit status
_STEERING = {"Cc", "Cf", "Zl", "Zp"}  # Unicode's categories of control characters, invisible ones, ends of a line


class UserError(Exception):
    """A user's mistake, told in one sentence: what was given, what is allowed, what to do.

    A name or a table's value in it may be a stranger's: line breaks, and what would steer a terminal, are escaped."""

    def __init__(self, sentence: str) -> None:
        super().__init__("".join(ascii(c)[1:-1] if unicodedata.category(c) in _STEERING else c for c in sentence))


class _ExplainUserError(app.ExceptionHandler):
    """Lets a program run by absl, such as `tfds build`, end with the sentence instead of a traceback."""

    def wants(self, exc: BaseException) -> bool:
        return isinstance(exc, UserError)

    def handle(self, exc: BaseException) -> None:
        # absl re-raises after this, whatever a handler does; only the interpreter's last hook can end it quietly
        sys.excepthook = _print_sentence


def _print_sentence(kind: type, error: BaseException, trace: types.TracebackType | None) -> None:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(USER_ERROR)


def explain_user_errors() -> None:
    """Makes any absl program in this process print a `UserError` as a sentence and exit with status 2."""
    if not any(isinstance(handler, _ExplainUserError) for handler in app.EXCEPTION_HANDLERS):
        app.install_exception_handler(_ExplainUserError())
