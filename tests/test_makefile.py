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
    ("arguments", "told"),
    [
        (["run", "UTKFACE_DIR=folder"], "is used with UTKFace only: add DATASET=utkface"),
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
