"""Killed at any moment, a command leaves no half-written file, and given again it ends as if nothing had been."""

import importlib
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import tensorflow_datasets as tfds

from gender_tfds import run_folder
from gender_tfds.drawn_faces.picture import encode_face
from tests.gender_tfds.builds import read

# Imports once what every command needs, and starts each by a fork: most of a command's time would be imports.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["tensorflow", "keras", "export.export_model", "export.score", "trainer.cross_validate", "trainer.tune"]
)

FEW = ["--image_size=32", "--batch_size=64"]
TIMES = ["seconds", "images_per_second"]


def run(module: str, name: str, argv: list[str], log: str) -> None:
    """Runs a command in this process, its output in a file."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.exit(getattr(importlib.import_module(module), name)(argv))


def build(argv: list[str]) -> int:
    """Builds `drawn_faces` with 300 faces."""
    from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder

    Builder.NUM_FACES = 300
    Builder(data_dir=argv[0]).download_and_prepare()
    return 0


class Command:
    """A command that writes into a folder of its own.

    Args:
      module: where it is.
      name: its function, of the arguments.
      argv: the arguments; FOLDER in them is the folder.
      result: returns of a folder what must be the same as without a kill.
    """

    def __init__(self, module, name, argv, result):
        self.module, self.name, self.argv, self.result = module, name, argv, result

    def start(self, folder: pathlib.Path) -> multiprocessing.Process:
        """Starts it."""
        argv = [argument.replace("FOLDER", str(folder)) for argument in self.argv]
        process = FORKS.Process(target=run, args=(self.module, self.name, argv, f"{folder}.log"))
        process.start()
        return process

    def finish(self, folder: pathlib.Path) -> None:
        """Runs it to its end."""
        process = self.start(folder)
        process.join(300)
        process.kill()
        assert process.exitcode == 0, pathlib.Path(f"{folder}.log").read_text()[-3000:]


def build_result(folder):
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
    return (folder / "best.flags").read_text().partition("\n--")[2]  # below the head, which names a trial's number


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
def command(request, many):
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
            [str(many), "--model=device", "--output=FOLDER/table.csv", "--resume"],
            files_result,
        ),
        "export": lambda: Command(
            "export.commands",
            "export",
            [f"--workdir={needs('trained_run')}", data(), "--output_dir=FOLDER", "--formats=float32,int8,onnx"],
            files_result,
        ),
        "train": lambda: Command(
            "trainer.commands", "train", [data(), "--workdir=FOLDER", "--epochs=3", *FEW, "--resume"], run_result
        ),
        "cross-validate": lambda: Command(
            "trainer.commands",
            "cross_validate",
            [data(), "--workdir=FOLDER", "--epochs=1", "--folds=2", *FEW, "--resume"],
            parts_result,
        ),
        "tune": lambda: Command(
            "trainer.commands",
            "tune",
            [
                data(),
                "--workdir=FOLDER",
                "--epochs=2",
                "--trials=2",
                "--search=learning_rate,rotation",
                *FEW,
                "--resume",
            ],
            search_result,
        ),
    }
    return makers[request.param]()


def seconds_of_work(command: Command, folder: pathlib.Path) -> float:
    """Runs a command to its end; returns the time from its first file on."""
    process = command.start(folder)
    began = wait_for_a_file(folder, process)
    process.join(300)
    process.kill()
    assert process.exitcode == 0, pathlib.Path(f"{folder}.log").read_text()[-3000:]
    return time.monotonic() - began


def wait_for_a_file(folder: pathlib.Path, process: multiprocessing.Process) -> float:
    while not (folder.is_dir() and any(folder.iterdir())) and process.is_alive():
        time.sleep(0.001)
    return time.monotonic()


# a scoring is killed in tests/export/test_score.py as well
CHEAP, ALL = ["build", "export"], ["build", "score", "export", "train", "cross-validate", "tune"]
CASES = [pytest.param(name, 2, id=f"{name} at 2 moments") for name in CHEAP]
CASES += [pytest.param(name, 20, id=f"{name} at 20 moments", marks=pytest.mark.slow) for name in ALL]


# MOMENTS=5 in the environment tries another number of them
@pytest.mark.parametrize(("command", "moments"), CASES, indirect=["command"])
def test_a_command_killed_at_any_moment_ends_as_one_that_was_not(command, moments, tmp_path):
    whole = tmp_path / "whole"
    seconds, rng, killed = seconds_of_work(command, whole), random.Random(0), 0
    for moment in range(int(os.environ.get("MOMENTS", moments))):
        folder = tmp_path / str(moment)
        process = command.start(folder)
        wait_for_a_file(folder, process)
        time.sleep(rng.uniform(0, 0.9 * seconds))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        assert half_written(folder) == []
        command.finish(folder)
        assert command.result(folder) == command.result(whole)
        assert half_written(folder) == []
        assert not list(folder.rglob("incomplete.*"))
        shutil.rmtree(folder)
    assert killed  # or nothing was tried
