"""Measure one artefact in this process, which is a fresh one: `benchmark` starts it as `python -m export.measure`.

Nothing of a runtime is imported before the clock runs.
"""

import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_MIN_CALLS = 5


def measure(
    path: pathlib.Path,
    pictures: pathlib.Path,
    *,
    threads: int,
    batch_size: int,
    seconds: float,
    answers: str | None = None,
) -> dict[str, Any]:
    """Loads an artefact and lets it score pictures.

    Args:
      path: of the artefact; a `.keras` file is run by `model.predict`, others as gender-score runs them.
      pictures: folder of encoded pictures.
      threads: that a `.tflite` or an `.onnx` may work in. TensorFlow is told by its environment.
      batch_size: pictures a call where throughput is measured.
      seconds: that latency and throughput are measured for, each.
      answers: `.npy` file for p(female) of all pictures in the order of their names, float32 (n,); not computed if
        None.

    Returns:
      `load_s`: from before the first import to the first answer; `memory_mb`: the largest resident set until then, None
      on a system that does not tell; `latency_ms`: the median of a call with one decoded picture; `throughput`:
      pictures a second; `threshold`: over it the artefact says female.

    Raises:
      UserError: no artefact, or a damaged one.
    """
    began = time.perf_counter()
    import numpy as np

    from export.predictor import decode_all

    predict, size, threshold = _load(path, threads)
    paths = sorted(pictures.iterdir())
    images = _decoded(decode_all, paths[:batch_size], size)
    predict(images[:1])
    result = {"load_s": time.perf_counter() - began, "memory_mb": _peak_memory(), "threshold": threshold}
    images = images[np.arange(batch_size) % len(images)]
    result["latency_ms"] = 1000 * float(np.median(call_seconds(predict, images[:1], seconds)))
    predict(images)  # a new shape: what is compiled or allocated for it is not throughput
    result["throughput"] = batch_size / float(np.mean(call_seconds(predict, images, seconds)))
    if answers:
        batches = [paths[start : start + batch_size] for start in range(0, len(paths), batch_size)]
        np.save(answers, np.concatenate([predict(_decoded(decode_all, batch, size)) for batch in batches]))
    return result


def _load(path: pathlib.Path, threads: int) -> tuple[Callable[["np.ndarray"], "np.ndarray"], int, float]:
    from export.predictor import loader_of
    from gender_tfds import run_folder
    from gender_tfds.saved_run import load_classifier

    if path.suffix == ".keras":
        model = load_classifier(path)
        predict = lambda images: model.predict(images, batch_size=len(images), verbose=0)[:, 0]  # noqa: E731
        return predict, model.input_shape[1], run_folder.THRESHOLD
    load = loader_of(path)
    predictor = load(path, threads) if path.suffix in (".tflite", ".onnx") else load(path)
    return predictor.predict, predictor.image_size, float(predictor.metadata["threshold"])


def _decoded(decode_all: Callable, paths: list[pathlib.Path], size: int) -> "np.ndarray":
    images, errors = decode_all([path.read_bytes() for path in paths], size)
    if any(errors):
        raise ValueError(f"a picture can't be decoded: {next(filter(None, errors))}")
    return images


def call_seconds(predict: Callable, images: "np.ndarray", seconds: float) -> list[float]:
    """Returns the seconds of each call with the same pictures, for as long as is wanted."""
    times: list[float] = []
    while len(times) < _MIN_CALLS or sum(times) < seconds:
        began = time.perf_counter()
        predict(images)
        times.append(time.perf_counter() - began)
    return times


def _peak_memory() -> float | None:
    """Returns the largest resident set of this process in MB."""
    status = pathlib.Path("/proc/self/status")
    if status.is_file():
        # not getrusage's: in Linux that one begins with the size of the process that started this one
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Reads what to measure, as JSON, from the command line, and writes the result, or a user's mistake, to a file."""
    job = json.loads(sys.argv[1])
    result_file = pathlib.Path(job.pop("result"))
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(job["threads"])
    from gender_tfds.user_error import UserError

    try:
        result = measure(pathlib.Path(job.pop("path")), pathlib.Path(job.pop("pictures")), **job)
    except UserError as error:
        result = {"error": str(error)}
    result_file.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
