"""The path of an output file, looked at before the work that fills it begins."""

import os
import pathlib

from gender_tfds.user_error import UserError


def checked_output(flag: str, value: str, suffix: str) -> pathlib.Path:
    """Returns the path of an output.

    Args:
      flag: that gives it.
      value: of the flag.
      suffix: that it must have.

    Raises:
      UserError: it has another, or can't be written.
    """
    path = pathlib.Path(value).expanduser()
    if path.suffix.lower() != suffix:
        raise UserError(f"--{flag}={value} does not end in {suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--{flag}={value} can't be written ({error.strerror}); give another path") from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserError(f"--{flag}={value} can't be written; give another path")
    return path
