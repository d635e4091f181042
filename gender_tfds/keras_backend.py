"""What Keras runs on: looked at before it is imported, where a wrong choice ends in a traceback."""

import importlib.util
import os

from gender_tfds.user_error import UserError

BACKENDS = {"tensorflow": "tensorflow", "jax": "gender-classifier[jax]"}  # and what to install for each


def check_backend() -> None:
    """Looks whether the backend that the environment variable `KERAS_BACKEND` names can be had; imports nothing.

    Raises:
      UserError: it is none of `BACKENDS`, or not installed.
    """
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name not in BACKENDS:
        raise UserError(f"KERAS_BACKEND={name} is not supported; set it to {' or '.join(BACKENDS)}, or unset it")
    if importlib.util.find_spec(name) is None:
        raise UserError(
            f'KERAS_BACKEND={name} is not installed; install it with pip install "{BACKENDS[name]}", or unset the'
            " variable"
        )
