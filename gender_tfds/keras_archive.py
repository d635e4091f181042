"""Look at a `.keras` file before Keras loads it: what it would unpack to, and how large a network it describes.

A file of 3 MB may hold weights that inflate to 3 GB, and one of a few kilobytes may describe a network of any size;
Keras makes room for either before it compares anything, whatever its `safe_mode`, which keeps it from running code.
"""

import concurrent.futures
import json
import math
import os
import pathlib
import random
import zipfile
from typing import Any

_FREE = 100 << 20  # bytes that any file may ask for
_RATIO = 10  # above that, times the file's own size: weights hardly compress


def check_archive(path: str | os.PathLike) -> None:
    """Checks that loading a `.keras` file takes memory in proportion to its size.

    Raises:
      ValueError: it would take more; no archive of Keras'.
      Exception: whatever Keras raises for a configuration that it can't make a model of.
    """
    size = pathlib.Path(path).stat().st_size
    allowed = _FREE + _RATIO * size
    with zipfile.ZipFile(path) as archive:
        # zipfile reads no more of a member than it declares
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > allowed:
            raise ValueError(f"its {size:,} bytes would unpack to {unpacked:,}")
        config = json.loads(archive.read("config.json"))
    config.pop("compile_config", None)  # an optimizer is not read, and could not be made without room for it
    # Keras collects variables that have no values yet in a state of the thread, and gives them values at the next
    # occasion: in a thread of its own there is none.
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        described = pool.submit(_described_bytes, config).result()
    if described > allowed:
        raise ValueError(f"its {size:,} bytes describe a network of {described:,}")


def _described_bytes(config: dict[str, Any]) -> int:
    """Returns the size of the variables of the model that a configuration describes, without making room for them."""
    import keras

    state = random.getstate()  # Keras draws seeds from it, and a training's own must not change
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
            return sum(math.prod(variable.shape) * 4 for variable in model.variables)
    finally:
        random.setstate(state)
