"""The Makefile's checks of what is given on its line. Nothing is run: `make -n`."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def _make(*arguments):
    return subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", ["model", "benchmark"])
def test_targets_that_take_utkfaces_folder_take_it(target, tmp_path):
    done = _make(target, f"UTKFACE_DIR={tmp_path}", f"FAIRFACE_DIR={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout


@pytest.mark.parametrize(
    ("dataset", "folder"), [("utkface", "UTKFACE_DIR"), ("fairface", "FAIRFACE_DIR"), ("face_folder", "FACES_DIR")]
)
def test_a_folder_is_built_from_trained_on_judged_once_and_scored(dataset, folder, tmp_path):
    done = _make("run", f"DATASET={dataset}", f"{folder}={tmp_path}", f"RUN={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    assert f"--manual_dir='{tmp_path}'" in done.stdout
    assert f"--imports=gender_tfds.{dataset} {dataset}" in done.stdout
    assert f"gender-train --dataset={dataset} " in done.stdout
    assert "gender-evaluate" not in done.stdout  # a training ends with it
    assert f"echo '{tmp_path}'; fi" in done.stdout  # the pictures that are scored


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "UTKFACE_DIR=folder"], "UTKFACE_DIR=folder is not used with DATASET=drawn_faces: add DATASET=utkface"),
        (["run", "DATASET=utkface", "FACES_DIR=x"], "is not used with DATASET=utkface: add DATASET=face_folder"),
        (["run", "DATASET=fairface"], "DATASET=fairface is taken from a folder: add FAIRFACE_DIR=folder"),
        (["run", "DATASET=face_folder"], "DATASET=face_folder is taken from a folder: add FACES_DIR=folder"),
        (["run", "DATASET=imagenet"], "is not a data set that `make run` knows"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(arguments, told):
    done = _make(*arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_every_target_is_in_the_list():
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "model", "web", "test", "test-slow", "benchmark", "check", "lock", "clean"):
        assert f"  make {target} " in listed
