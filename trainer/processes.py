"""The processes of one training, on one machine or on many: JAX keeps them in step, and process 0 alone writes."""

import atexit
import contextlib
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from gender_tfds.user_error import USER_ERROR, UserError

AUTO = "auto"


def connect(coordinator: str | None, num_processes: int | None, process_id: int | None, seed: int) -> None:
    """Joins the other processes. To be called before anything is computed.

    Args:
      coordinator: host:port of process 0, which need not run yet; `auto` where JAX finds it out itself (SLURM, Open
        MPI, Cloud TPU, Google Kubernetes Engine) or Keras' own environment variables KERAS_DISTRIBUTION_* say it; None
        for a process alone.
      num_processes: of the training; None if it is found out.
      process_id: number of this one, from 0; None if it is found out.
      seed: of the training.

    Raises:
      UserError: not all that is needed, a backend that can't do it, or the others did not come.
    """
    if coordinator is None:
        if (num_processes, process_id) != (None, None):
            raise UserError("--num_processes and --process_id need --coordinator=host:port, the address of process 0")
        return
    if keras.backend.backend() != "jax":
        raise UserError(
            f"--coordinator={coordinator} needs KERAS_BACKEND=jax; on {keras.backend.backend()} one process trains, on"
            " all accelerators of its machine"
        )
    if process_id is not None and num_processes is not None and process_id >= num_processes:
        raise UserError(f"--process_id={process_id} must be below --num_processes={num_processes}: it counts from 0")
    keras.utils.set_random_seed(seed)  # else Keras agrees on one with the others, before JAX is ready on some machines
    address = None if coordinator == AUTO else coordinator
    try:
        keras.distribution.initialize(address, num_processes, process_id)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(
            f"--coordinator={coordinator}: the processes do not come together ({reason}); give each of them the same"
            " --coordinator=host:port and --num_processes, and its own --process_id from 0"
        ) from error
    if not is_first():
        for package in ("gender_tfds", "trainer"):
            logging.getLogger(package).setLevel(logging.WARNING)


def count() -> int:
    """Returns the number of processes."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return jax.process_count()


def index() -> int:
    """Returns the number of this process, from 0."""
    if keras.backend.backend() != "jax":
        return 0
    import jax

    return jax.process_index()


def is_first() -> bool:
    """Returns whether this is process 0: the one that writes and talks, and the only one of a usual training."""
    return index() == 0


def gather(values: Any) -> np.ndarray:
    """Returns what every process gave, (processes, ...), to each of them. All must call it, with one shape and type.

    Args:
      values: numbers; beyond 32 bits they lose digits.
    """
    if count() == 1:
        return np.asarray(values)[None]
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(np.asarray(values)))


def check_alike(what: Any, sentence: str) -> None:
    """Compares something over the processes.

    Args:
      what: anything that becomes JSON.
      sentence: of the error, in all of them.

    Raises:
      UserError: it is not the same in all.
    """
    digests = gather(np.frombuffer(hashlib.sha256(json.dumps(what).encode()).digest(), np.uint8))
    if len(np.unique(digests, axis=0)) > 1:
        raise UserError(sentence)


def first_does(action: Callable[[], object]) -> None:
    """Calls a function in process 0 while the others wait for its end.

    Raises:
      UserError: in the others, where the function raised.
    """
    failed = None
    if is_first():
        try:
            action()
        except Exception as error:  # whatever it is, the others must not wait for ever
            failed = error
    states = gather([failed is not None])
    if failed:
        raise failed
    if states[0].any():
        raise UserError("process 0 could not begin; it says why")


@contextlib.contextmanager
def losses_told() -> Iterator[None]:
    """Says in a sentence that another process is gone, which a computation in step with it ends by."""
    try:
        yield
    except Exception as error:
        if count() > 1 and type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError"):
            atexit.register(_end_alone)
            raise UserError(
                "another process of this training ended, or can't be reached; start all of them again, with --resume"
            ) from error
        raise


def _end_alone() -> None:
    """Ends this process at once: at its end JAX would wait for the lost one, minutes, and abort."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(USER_ERROR)


def leave() -> None:
    """Ends the work together: from here on no process needs the others. All must call it."""
    if count() > 1:
        import jax

        jax.distributed.shutdown()
