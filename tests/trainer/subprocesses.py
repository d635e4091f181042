"""Scripts in fresh processes: this one's Keras runs on TensorFlow, with one device, and can't change that."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def start(backend: str, script: str, *arguments: object, **environment: str) -> subprocess.Popen:
    """Starts a script in a process in which Keras runs on a backend."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_on(backend: str, script: str, *arguments: object, **environment: str) -> str:
    """Returns what such a script prints."""
    process = start(backend, script, *arguments, **environment)
    out, err = process.communicate()
    assert process.returncode == 0, err[-3000:]
    return out
