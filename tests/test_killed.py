"""Killed at any moment, a command leaves no half-written file, and given again it ends as if nothing had been."""

import contextlib
import dataclasses
import importlib
import json
import math
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import PIL.Image
import psutil
import pytest
import tensorflow_datasets as tfds

from gender_tfds import run_folder
from gender_tfds.atomic_files import PARTIAL
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.folder_lock import LOCK
from tests.forks import FORKS, LONGEST, set_up_fork
from tests.gender_tfds.builds import read
from tests.trainer import pictures
from tests.trainer.conftest import step_by_step
from trainer.search_results import BEST, TRIALS

FEW = ["--image_size=32", "--batch_size=64"]
SEARCHED = "learning_rate,rotation"
# of `make test`, 1 of those commands that take longer: after there is something to go on with
FEW_MOMENTS = {"build": 2, "score": 2}
MANY_MOMENTS = 20  # of `make test-slow`
TIMES = ["seconds", "images_per_second"]


def run(module: str, name: str, argv: list[str], log: str, inside: Callable) -> None:
    """Runs a command in this process, its output in a file."""
    set_up_fork(pathlib.Path(log))
    with inside():
        sys.exit(getattr(importlib.import_module(module), name)(argv))


@contextlib.contextmanager
def quickly() -> Iterator[None]:
    """Trains without tracing, and draws nothing."""
    with step_by_step(), pictures.blank():
        yield


def build(argv: list[str]) -> int:
    """Builds `drawn_faces` with 300 faces."""
    from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder

    Builder.NUM_FACES = 300
    Builder(data_dir=argv[0]).download_and_prepare()
    return 0


@dataclasses.dataclass
class Command:
    """A command that writes into a folder of its own.

    Attributes:
      module: where it is.
      name: its function, of the arguments.
      argv: the arguments; FOLDER in them is the folder.
      result: returns of a folder what must be the same as without a kill.
      kept: pattern of the first file that a killed one leaves and the next goes on with.
      never_again: pattern of files that are not written again once there is something kept.
      twice: whether it ends the same too if it was killed before it had done more.
      inside: a context to run it in.
    """

    module: str
    name: str
    argv: list[str]
    result: Callable[[pathlib.Path], object]
    kept: str = "*"
    never_again: str = "nothing"
    twice: bool = True
    inside: Callable[[], contextlib.AbstractContextManager] = contextlib.nullcontext

    def run(self, folder: pathlib.Path, since: str = "*", limit: float = math.inf) -> tuple[bool, dict[str, float]]:
        """Runs it to its end, or kills it when it has used so many seconds of the processor since a file was there.

        Seconds of the processor, since a busy machine changes those of the clock.

        Args:
          folder: to write into.
          since: pattern of the file, "*" or `kept`.
          limit: the seconds.

        Returns:
          Whether it was killed, and for both patterns how many seconds it has used since there was such a file.
        """
        argv = [argument.replace("FOLDER", str(folder)) for argument in self.argv]
        process = FORKS.Process(target=run, args=(self.module, self.name, argv, f"{folder}.log", self.inside))
        process.start()
        seen, used, begin = {}, 0.0, time.monotonic()
        while process.is_alive():
            if time.monotonic() - begin > LONGEST:
                process.kill()
                pytest.fail(f"{self.name} does not end")
            with contextlib.suppress(psutil.NoSuchProcess):
                used = sum(psutil.Process(process.pid).cpu_times()[:2])
            for pattern in {"*", self.kept} - set(seen):
                if any(folder.glob(pattern)):
                    seen[pattern] = used
            if used - seen.get(since, math.inf) > limit:
                process.kill()
            process.join(0.01)
        killed = process.exitcode == -signal.SIGKILL
        assert killed or process.exitcode == 0, pathlib.Path(f"{folder}.log").read_text()[-3000:]
        return killed, {pattern: used - then for pattern, then in seen.items()}


def build_result(folder):
    assert not list(folder.rglob("incomplete.*"))
    return read(tfds.builder("drawn_faces", data_dir=folder))


def run_result(folder):
    history = folder / run_folder.HISTORY
    return [
        *((folder / name).read_text() for name in (run_folder.PREDICTIONS, run_folder.METRICS, run_folder.CALIBRATION)),
        pd.read_csv(history).drop(columns=TIMES).to_csv(),
    ]


def parts_result(folder):
    return [(folder / name).read_text() for name in (run_folder.PREDICTIONS, run_folder.METRICS)]


def search_result(folder):
    trials = pd.read_csv(folder / TRIALS)
    trials = trials[trials["state"] != "fail"].drop(columns="trial")  # a trial that was killed has had a number
    folders = len(list(folder.glob("trial_*")))
    return [(folder / BEST).read_text().partition("\n--")[2], trials.to_csv(index=False), folders]


def files_result(folder):
    """Returns the bytes of all files, but of what tells a time or holds one."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".tflite", ".onnx", ".csv")
    }


def half_written(folder: pathlib.Path) -> list[str]:
    """Returns the files that have their own name and not their whole content."""
    bad = []
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        if not path.is_file() or any(part.startswith((".partial-", "incomplete.")) for part in inside):
            continue
        try:
            _read_whole(path)
        except Exception as error:
            bad.append(f"{path.name}: {error!r}")
    return bad


def _read_whole(path: pathlib.Path) -> None:
    content = path.read_bytes()
    if path.suffix == ".json":
        json.loads(content)
    elif path.suffix == ".png":
        PIL.Image.open(path).load()
    elif path.suffix in (".keras", ".npz", ".tflite"):
        with zipfile.ZipFile(path) as archive:
            if archive.testzip():
                raise ValueError("a wrong checksum")
    elif path.suffix in (".csv", ".html", ".txt", ".md", ".flags") and not content.endswith(b"\n"):
        raise ValueError("without an end")


def test_a_half_written_file_is_seen(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.arange(1000))
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "c.csv").write_text("a,b\n")
    assert half_written(tmp_path) == []
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert len(half_written(tmp_path)) == 3


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("many")
    (folder / "0.jpg").write_bytes(encode_face(0))
    for index in range(1, 4000):
        os.link(folder / "0.jpg", folder / f"{index}.jpg")
    return folder


@pytest.fixture
def command(request):
    """The command that a test's parameter names."""

    def needs(name):
        return request.getfixturevalue(name)

    def data():
        return f"--data_dir={needs('data_dir')}"

    makers = {
        "build": lambda: Command("tests.test_killed", "build", ["FOLDER"], build_result),
        "score": lambda: Command(
            "export.commands",
            "score",
            [str(needs("many")), "--model=device", "--output=FOLDER/table.csv", "--resume"],
            files_result,
            kept="table.csv.partial",
        ),
        "export": lambda: Command(
            "export.commands",
            "export",
            [f"--workdir={needs('trained_run')}", data(), "--output_dir=FOLDER", "--formats=float32,int8,onnx"],
            files_result,
            kept="model_*",
        ),
        "train": lambda: Command(
            "trainer.commands",
            "train",
            [data(), "--workdir=FOLDER", "--epochs=3", "--early_stopping=2", *FEW, "--resume"],
            run_result,
            kept=run_folder.CHECKPOINT,
        ),
        "cross-validate": lambda: Command(
            "trainer.commands",
            "cross_validate",
            [data(), "--workdir=FOLDER", "--epochs=1", "--folds=2", *FEW, "--resume"],
            parts_result,
            kept=f"*/{run_folder.METRICS}",
            never_again=f"*/{run_folder.METRICS}",
        ),
        "tune": lambda: Command(
            "trainer.commands",
            "tune",
            [data(), "--workdir=FOLDER", "--epochs=1", "--trials=2", f"--search={SEARCHED}", *FEW, "--resume"],
            search_result,
            kept=TRIALS,
            never_again=f"trial_000/{run_folder.HISTORY}",
            twice=False,  # other settings are tried then: these may be what ends it
        ),
    }
    return makers[request.param]()


COMMANDS = ["build", "score", "export", "train", "cross-validate", "tune"]
CASES = [
    pytest.param(name, moments, id=f"{name} at {moments} moments", marks=marks)
    for name in COMMANDS
    for moments, marks in ((FEW_MOMENTS.get(name, 1), ()), (MANY_MOMENTS, pytest.mark.slow))
]


# MOMENTS=5 in the environment tries another number of them
@pytest.mark.parametrize(("command", "moments"), CASES, indirect=["command"])
def test_a_command_killed_at_any_moment_ends_as_one_that_was_not(command, moments, tmp_path):
    if command.module == "trainer.commands":
        command.inside = quickly if moments < MANY_MOMENTS else pictures.drawn
    moments, rng = int(os.environ.get("MOMENTS", moments)), random.Random(7)
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    _, seconds = command.run(whole)
    kills, finished = 0, {}
    while kills < moments or folder.exists():
        # every other moment is after there is something to go on with; what was killed may be killed again
        since = "*" if kills % 2 else command.kept
        again = command.twice or not folder.exists()
        limit = rng.random() * seconds[since] if kills < moments and again else math.inf
        killed, _ = command.run(folder, since, limit)
        kills += killed
        assert half_written(folder) == []
        times = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.match(command.never_again)}
        assert finished.items() <= times.items()
        finished = times if any(folder.glob(command.kept)) else {}
        if not killed:
            assert command.result(folder) == command.result(whole)
            assert not [path for path in folder.rglob(f"{PARTIAL}*") if (path.parent / LOCK).exists()]
            shutil.rmtree(folder)
            finished = {}
