"""What Keras runs on: looked at and set up before it is imported; a wrong choice would end in a traceback then."""

import importlib.util
import os

from gender_tfds.user_error import UserError

BACKENDS = {"tensorflow": "tensorflow", "jax": "gender-classifier[jax]"}  # and what to install for each


def prepare_backend() -> None:
    """Looks whether the backend that the environment variable `KERAS_BACKEND` names can be had; imports nothing.

    It is TensorFlow if there is no such variable, also where a `keras.json` of the user says otherwise.

    TensorFlow, unless its environment variable says otherwise, will use oneDNN. By itself it does so on an x86 CPU only
    where that has AVX-512 VNNI or the like; with AVX2 a training step takes 0.8 of the time too
    (`benchmarks/execution.py`).

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
    os.environ["KERAS_BACKEND"] = name
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
