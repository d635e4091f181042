"""Measure artefacts, each in fresh processes, and compare their answers: one table for all formats."""

import dataclasses
import json
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import tqdm

from export.packaged import model_path
from export.predictor import artefact_bytes, loader_of
from gender_tfds.face_slices import rate_interval
from gender_tfds.threads import available_processors
from gender_tfds.user_error import UserError

log = logging.getLogger(__name__)

SPREAD = ("load_s", "memory_mb", "latency_ms", "throughput")  # measured anew in each round
_THREADED = (".tflite", ".onnx")  # a row each with one thread and with all; TensorFlow's have one row


@dataclasses.dataclass(frozen=True)
class Pictures:
    """What artefacts are measured on.

    Attributes:
      encoded: the files.
      what: where they are from, in words.
      labels: 0 male, 1 female, int (n,); None where there are none.
    """

    encoded: Sequence[bytes]
    what: str
    labels: np.ndarray | None = None


def benchmark(
    artefacts: Sequence[str],
    pictures: Pictures,
    *,
    reference: str | None = None,
    threads: int | None = None,
    batch_size: int = 32,
    rounds: int = 3,
    seconds: float = 1.0,
) -> pd.DataFrame:
    """Measures artefacts one after the other, as often as there are rounds: what slows the machine slows them all.

    Args:
      artefacts: paths, or names of packaged models.
      pictures: to score.
      reference: the model whose answers the others should give; it gets the first row.
      threads: that a `.tflite` and an `.onnx` work in, beside one; all processors if None.
      batch_size: pictures a call where throughput is measured.
      rounds: fresh processes for each row.
      seconds: that latency and throughput are measured for in each process.

    Returns:
      A row for each artefact and number of threads: `artefact`, `threads`, `bytes`; of `load_s`, `memory_mb`,
      `latency_ms` and `throughput` (see `measure.measure`) the median over the rounds, and the extremes as `*_low` and
      `*_high`; with a reference `times_faster` (its latency by the row's), `labels_changed`, `mean_difference` and
      `worst_difference` of p(female); with labels `accuracy`, `accuracy_low` and `accuracy_high` (95 %); `n` pictures.

    Raises:
      UserError: no artefact, or a damaged one.
    """
    names = list(dict.fromkeys([*([reference] if reference else []), *artefacts]))
    for name in names:
        loader_of(model_path(name))
    wanted = _with_threads(names, threads or available_processors())
    # a name need not be UTF-8, and a table must
    rows = [
        {"artefact": os.fsencode(name).decode(errors="backslashreplace"), "threads": count}
        | {"bytes": artefact_bytes(model_path(name))}
        for name, count in wanted
    ]
    job = {"batch_size": batch_size, "seconds": seconds}
    measured, answers = _measured_by_turns(wanted, pictures.encoded, job, rounds)
    for row, results in zip(rows, measured, strict=True):
        row |= _middle_and_extremes(results)
    thresholds = [results[0]["threshold"] for results in measured]
    _judge(rows, answers, thresholds, pictures.labels, has_reference=reference is not None)
    return pd.DataFrame(rows)


def _with_threads(names: Sequence[str], threads: int) -> list[tuple[str, int]]:
    """Returns each artefact with the number of threads that it is measured in, or with both numbers."""
    return [
        (name, count)
        for name in names
        for count in ((1, threads) if threads > 1 and model_path(name).suffix in _THREADED else (threads,))
    ]


def _measured_by_turns(
    wanted: Sequence[tuple[str, int]], encoded: Sequence[bytes], job: dict[str, Any], rounds: int
) -> tuple[list[list[dict[str, Any]]], list[np.ndarray]]:
    """Returns of each artefact what its processes measured, and its p(female) of all pictures, by the first of them."""
    measured: list[list[dict[str, Any]]] = [[] for _ in wanted]
    answers = []
    with (
        tempfile.TemporaryDirectory() as temporary,
        tqdm.tqdm(total=rounds * len(wanted), unit=" processes", disable=None, leave=False) as bar,
    ):
        folder = pathlib.Path(temporary)
        (folder / "pictures").mkdir()
        for index, data in enumerate(encoded):
            (folder / "pictures" / f"{index:06}").write_bytes(data)
        file = folder / "answers.npy"
        for number in range(rounds):
            for (name, threads), results in zip(wanted, measured, strict=True):
                bar.set_description(f"Measuring {pathlib.PurePath(name).name[:40]}")
                of_all = {"threads": threads, "answers": None if number else str(file)}
                results.append(_measured(name, folder, job | of_all))
                if not number:
                    answers.append(np.load(file))
                bar.update()
    return measured, answers


def _measured(name: str, folder: pathlib.Path, job: dict[str, Any]) -> dict[str, Any]:
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    paths = {"path": str(model_path(name)), "pictures": str(folder / "pictures"), "result": str(result)}
    # -P: a file called like a module may lie in the folder where the command was typed
    command = [sys.executable, "-P", "-m", "export.measure", json.dumps(job | paths)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if not result.is_file():
        raise RuntimeError(f"{name} ended its process with status {done.returncode}: {done.stderr[-2000:]}")
    found = json.loads(result.read_text())
    if "error" in found:
        raise UserError(found["error"])
    return found


def _middle_and_extremes(results: Sequence[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in SPREAD:
        values = [np.nan if result[name] is None else result[name] for result in results]
        found |= {name: float(np.median(values)), f"{name}_low": min(values), f"{name}_high": max(values)}
    return found


def _judge(
    rows: Sequence[dict[str, Any]],
    answers: Sequence[np.ndarray],
    thresholds: Sequence[float],
    labels: np.ndarray | None,
    *,
    has_reference: bool,
) -> None:
    """Adds to each row what its answers are worth; the reference's are the first."""
    for row, p_female, threshold in zip(rows, answers, thresholds, strict=True):
        row["n"] = len(p_female)
        female = p_female > threshold
        if has_reference:
            difference = np.abs(p_female - answers[0])
            row["times_faster"] = rows[0]["latency_ms"] / row["latency_ms"]
            row["labels_changed"] = int((female != (answers[0] > thresholds[0])).sum())
            row["mean_difference"], row["worst_difference"] = float(difference.mean()), float(difference.max())
        if labels is not None:
            right = int((female == labels).sum())
            row["accuracy"] = right / len(labels)
            row["accuracy_low"], row["accuracy_high"] = rate_interval(right, len(labels))
