"""The same training on JAX: it resumes exactly, and its artefacts are TensorFlow's. In processes of their own."""

import importlib.util
import json

import pytest

from export import export_model
from gender_tfds import run_folder
from tests.trainer.subprocesses import run_on

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX, the extra `jax`"),
    pytest.mark.slow,  # compiling takes most of the time
]


RESUMED = """
import json, pathlib, sys
import keras
from gender_tfds.saved_run import load_record
from trainer.config import TrainConfig
from trainer.train import prepare_training, train_and_evaluate

class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

data, cache, whole, parts = sys.argv[1:]
config = TrainConfig(image_size=32, batch_size=73, epochs=2, ema=0.9, schedule="plateau", cache="disk")
train_and_evaluate(config, data, whole, cache_dir=cache)
pathlib.Path(parts).mkdir()
try:
    prepare_training(config, data, cache)[0].run(pathlib.Path(parts), [Killed()])
except KeyboardInterrupt:
    pass
resumed = prepare_training(config, data, cache)[0].run(pathlib.Path(parts))
print(json.dumps(resumed.progress.history))
"""


@pytest.fixture(scope="module")
def resumed(data_dir, tmp_path_factory):
    """A whole run on JAX, and the history of one that was stopped after its first epoch and resumed."""
    folder = tmp_path_factory.mktemp("jax")
    out = run_on("jax", RESUMED, data_dir, folder / "cache", folder / "whole", folder / "parts")
    return folder / "whole", json.loads(out.splitlines()[-1])


def test_a_resumed_run_has_the_history_of_a_whole_one(resumed):
    workdir, history = resumed
    names = ["epoch", "loss", "val_loss", "val_cross_entropy", "learning_rate"]
    rows = (workdir / run_folder.HISTORY).read_text().splitlines()
    columns = rows[0].split(",")
    whole = [dict(zip(columns, map(float, row.split(",")), strict=True)) for row in rows[1:]]
    assert [[row[name] for name in names] for row in whole] == [[row[name] for name in names] for row in history]
    assert len({row["loss"] for row in history}) == 2
    assert json.loads((workdir / run_folder.CONFIG).read_text())["backend"] == "jax"


def test_artefacts_of_a_run_on_jax_pass_the_gate(resumed, data_dir, tmp_path):
    workdir, _ = resumed
    results = export_model.export_run(workdir, tmp_path, ("float32",), data_dir=str(data_dir))
    assert "refused" not in results["float32"]
    assert list(tmp_path.glob("*.tflite"))


def test_export_takes_tensorflow_where_the_environment_says_jax(resumed, data_dir, tmp_path):
    script = """
import sys
from export.commands import export
status = export(sys.argv[1:])
print(status, sys.modules["keras"].config.backend())
"""
    flags = [f"--workdir={resumed[0]}", f"--data_dir={data_dir}", f"--output_dir={tmp_path}", "--formats=saved_model"]
    assert run_on("jax", script, *flags).splitlines()[-1] == "0 tensorflow"
