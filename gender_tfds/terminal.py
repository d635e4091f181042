"""What reaches the terminal: this project's log, and not what TensorFlow says of itself."""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

PACKAGES = ("gender_tfds", "trainer", "export")


def show_log() -> None:
    """Sends this project's log lines, as plain text, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    # TensorFlow's C++ side talks of missing CUDA on every machine without a GPU; what fails is raised in Python too
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def without_native_noise() -> Iterator[None]:
    """Holds back what is printed to file descriptor 2 inside, and prints it only if an exception is raised.

    While it is imported, before its log level counts, TensorFlow's C++ side tells every machine without a GPU that it
    has none.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
