"""Processes of one training: alone it is as if there were none; two share the records and end together."""

import collections
import importlib.util
import json
import signal
import socket

import numpy as np
import pandas as pd
import pytest

from gender_tfds import run_folder
from gender_tfds.user_error import UserError
from tests.trainer.subprocesses import start
from trainer import processes

needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX, the extra `jax`")


def _free_address():
    with socket.create_server(("localhost", 0)) as server:
        return f"localhost:{server.getsockname()[1]}"


def test_alone_there_is_nothing_to_wait_for():
    processes.connect(None, None, None, 0)
    assert (processes.count(), processes.index(), processes.is_first()) == (1, 0, True)
    assert processes.gather([1, 2]).tolist() == [[1, 2]]
    processes.check_alike({"a": 1}, "never")
    processes.leave()


def test_what_process_0_can_not_do_is_told_in_all(monkeypatch):
    def refuse():
        raise UserError("in use")

    with pytest.raises(UserError, match="in use"):
        processes.first_does(refuse)
    monkeypatch.setattr(processes, "is_first", lambda: False)
    monkeypatch.setattr(processes, "gather", lambda mine: np.array([[True], mine]))
    with pytest.raises(UserError, match="process 0 could not begin"):
        processes.first_does(refuse)  # not called here


def test_a_lost_process_is_one_sentence_and_other_faults_are_not_hidden(monkeypatch):
    class JaxRuntimeError(RuntimeError):
        pass

    def lose(error):
        with processes.losses_told():
            raise error

    monkeypatch.setattr(processes, "count", lambda: 2)
    at_end = []
    monkeypatch.setattr(processes.atexit, "register", at_end.append)
    with pytest.raises(UserError, match="start all of them again, with --resume"):
        lose(JaxRuntimeError("connection closed"))
    assert len(at_end) == 1  # this process ends without waiting for the lost one
    with pytest.raises(ZeroDivisionError):
        lose(ZeroDivisionError())
    monkeypatch.setattr(processes, "count", lambda: 1)
    with pytest.raises(JaxRuntimeError):
        lose(JaxRuntimeError("out of memory"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((None, 2, None), "need --coordinator=host:port"),
        ((None, None, 1), "need --coordinator=host:port"),
        (("here:1", 2, 0), "needs KERAS_BACKEND=jax"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        processes.connect(*arguments, 0)


TOGETHER = """
import json, sys
from gender_tfds import reading
from gender_tfds.user_error import UserError
from trainer import distribution, processes
from trainer.config import TrainConfig
from trainer.division import Workers
from trainer.epoch import count_epoch
from trainer.input_pipeline import make_train_dataset

data_dir, address, number = sys.argv[1:]
try:
    processes.connect(address, 2, 2, 0)
except UserError as error:
    told = [str(error)]
processes.connect(address, 2, int(number), 0)
config = TrainConfig(image_size=32, batch_size=32, epochs=1)
workers = distribution.choose_workers(config)
builder = reading.open_built("drawn_faces", data_dir)
epoch = count_epoch([builder], config, workers)
names, encoded = [], reading.read_folds(builder, config.folds("train"), workers.share)
for example in encoded.as_numpy_iterator():
    names.append(example["filename"].decode())
batches = make_train_dataset([builder], config, epoch.counts, epoch.shown, division=epoch.train)
weights = [weight.tolist() for _, _, weight in batches.as_numpy_iterator()]
processes.check_alike([1, "same"], "must not be raised")
for what in (lambda: processes.check_alike(number, "differ"), lambda: processes.first_does(lambda: 1 / 0)):
    try:
        what()
    except (UserError, ZeroDivisionError) as error:
        told.append(str(error))
print(json.dumps({"names": names, "weights": weights, "steps": epoch.train.steps, "told": told}))
processes.leave()
"""


@needs_jax
def test_two_processes_read_every_face_once_and_do_the_same_steps(data_dir):
    address = _free_address()
    both = [start("jax", TOGETHER, data_dir, address, number) for number in range(2)]
    ended = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], [err[-2000:] for _, err in ended]
    first, second = (json.loads(out.splitlines()[-1]) for out, _ in ended)
    shown = collections.Counter(first["names"] + second["names"])
    assert set(shown.values()) == {1}
    assert first["names"]
    assert second["names"]
    assert first["steps"] == second["steps"] == len(first["weights"]) == len(second["weights"])
    counted = sum(weight > 0 for own in (first, second) for step in own["weights"] for weight in step)
    assert counted == len(shown)
    assert first["told"][1:] == ["differ", "division by zero"]
    assert second["told"][1:] == ["differ", "process 0 could not begin; it says why"]
    assert "--process_id=2 must be below --num_processes=2" in first["told"][0]


TRAIN = """
import os, signal, sys
from trainer.checkpoints import Checkpoints
from trainer.commands import train

def begin_or_die(self, epoch, logs=None):
    if epoch == int(os.environ["KILLED_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    begin(self, epoch, logs)

if "KILLED_AT" in os.environ and "--process_id=1" in sys.argv:
    begin, Checkpoints.on_epoch_begin = Checkpoints.on_epoch_begin, begin_or_die
sys.exit(train(sys.argv[1:]))
"""


@needs_jax
@pytest.mark.slow
def test_two_processes_train_as_one_does_and_go_on_after_one_was_killed(data_dir, tmp_path):
    flags = [f"--data_dir={data_dir}", "--image_size=32", "--batch_size=64", "--epochs=4", "--noflip", "--rotation=0"]

    def start_both(workdir, **environment):
        address = _free_address()
        together = [*flags, f"--workdir={workdir}", f"--coordinator={address}", "--num_processes=2", "--resume"]
        return [start("jax", TRAIN, *together, f"--process_id={number}", **environment) for number in range(2)]

    whole = start_both(tmp_path / "whole")
    errors = [process.communicate()[1] for process in whole]
    assert [process.returncode for process in whole] == [0, 0], [error[-2000:] for error in errors]
    assert "Numbers and pictures" in errors[0]
    assert "Epoch" not in errors[1]  # which neither talks nor writes

    killed = start_both(tmp_path / "killed", KILLED_AT="2")
    errors = [process.communicate()[1] for process in killed]
    assert killed[1].returncode == -signal.SIGKILL
    assert killed[0].returncode == 2, errors[0][-2000:]
    assert "another process of this training ended" in errors[0]
    assert not (tmp_path / "killed" / run_folder.MODEL).exists()
    resumed = start_both(tmp_path / "killed")
    errors = [process.communicate()[1] for process in resumed]
    assert [process.returncode for process in resumed] == [0, 0], [error[-2000:] for error in errors]
    assert "Resuming after epoch 2 of 4" in errors[0]
    histories = [
        pd.read_csv(tmp_path / name / run_folder.HISTORY).drop(columns=["seconds", "images_per_second"])
        for name in ("whole", "killed")
    ]
    pd.testing.assert_frame_equal(*histories)
    assert list(histories[0]["epoch"]) == [1, 2, 3, 4]
