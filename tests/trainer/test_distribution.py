"""Precision, compilation and devices: what was asked for or is best there, and said so; the loss of one device."""

import importlib.util
import json
import logging

import keras
import pytest

from gender_tfds.user_error import UserError
from tests.trainer.subprocesses import run_on
from trainer import distribution
from trainer.config import TrainConfig
from trainer.division import ALONE, Workers

needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX, the extra `jax`")


def test_this_machine_is_of_a_known_kind():
    assert distribution.device_kind() in ("cpu", "gpu", "tpu")


@pytest.mark.parametrize(
    ("device", "chosen"), [("cpu", "float32"), ("gpu", "mixed_float16"), ("tpu", "mixed_bfloat16")]
)
def test_auto_chooses_by_device_and_says_so(device, chosen, caplog, monkeypatch):
    with caplog.at_level(logging.INFO, "trainer"):
        assert distribution.choose_precision(TrainConfig(), device) == chosen
    assert chosen in caplog.text
    assert device.upper() in caplog.text


def test_what_was_asked_for_is_taken():
    assert distribution.choose_precision(TrainConfig(precision="mixed_bfloat16"), "cpu") == "mixed_bfloat16"
    assert distribution.choose_jit(TrainConfig(jit="on"), "cpu") is True
    assert distribution.choose_jit(TrainConfig(jit="off"), "gpu") is False


def test_a_cpu_does_not_compile_by_itself():
    assert distribution.choose_jit(TrainConfig(), "cpu") is False
    assert distribution.choose_jit(TrainConfig(), "gpu") is True


SAME_CURVE = """
import dataclasses, json, pathlib, sys
import keras
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
import tensorflow as tf
from trainer import division
from trainer.config import TrainConfig
from trainer.train import prepare_training

def history(name, **settings):
    folder = pathlib.Path(sys.argv[2]) / name
    training, _ = prepare_training(dataclasses.replace(CONFIG, **settings), sys.argv[1], str(folder / "cache"))
    (folder / "run").mkdir(parents=True)
    return training.run(folder / "run").progress.history

# 219 faces to train on and 22 to validate with: both end in a batch that is smaller, one of them of 7
CONFIG = TrainConfig(
    image_size=32, batch_size=106, epochs=2, learning_rate=0.003, cache="disk", **json.loads(sys.argv[3])
)
histories = {way: history(way, distribution=way) for way in ("off", "on")}

def planted(self, step, batch):
    *batch, weights = filled_up(self, step, batch)
    return *batch, tf.ones_like(weights)

filled_up, division.Division._filled_up = division.Division._filled_up, planted
histories["fillers counted"] = history("planted", distribution="on")
print(json.dumps(histories))
"""


@pytest.mark.parametrize(
    ("backend", "settings"),
    [
        # on JAX augmentation draws what one device does
        pytest.param("jax", {"flip": True, "rotation": 0}, marks=[needs_jax, pytest.mark.slow]),
        pytest.param(
            "tensorflow",
            {"flip": False, "rotation": 0, "ema": 0.9, "schedule": "plateau", "optimizer": "muon"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_two_devices_have_the_loss_curve_of_one(backend, settings, data_dir, tmp_path):
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"} if backend == "jax" else {}
    out = run_on(backend, SAME_CURVE, data_dir, tmp_path, json.dumps(settings), **environment)
    histories = json.loads(out.splitlines()[-1])
    for name in ("loss", "accuracy", "cross_entropy", "val_loss", "val_accuracy", "val_cross_entropy"):
        one, two, planted = ([row[name] for row in histories[way]] for way in histories)
        assert two == pytest.approx(one, rel=2e-5), name
        if "accuracy" not in name:
            assert planted != pytest.approx(one, rel=2e-5), name


def test_what_can_not_be_shared_is_one_sentence(monkeypatch):
    with pytest.raises(UserError, match="needs several devices"):
        distribution.choose_workers(TrainConfig(distribution="on"))
    assert distribution.choose_workers(TrainConfig()) == ALONE
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: [f"{kind}:{n}" for n in range(4)])
    with pytest.raises(UserError, match="give a multiple of 4"):
        distribution.choose_workers(TrainConfig(distribution="on", batch_size=66))
    assert distribution.choose_workers(TrainConfig(distribution="on", batch_size=64)) == Workers(4)
    assert distribution.choose_workers(TrainConfig(distribution="off", batch_size=66)) == ALONE


def test_tensorflow_does_not_compile_what_several_devices_share():
    assert distribution.choose_jit(TrainConfig(), "gpu", Workers(2)) is False
    assert distribution.choose_jit(TrainConfig(), "gpu", ALONE) is True
    with pytest.raises(UserError, match="--jit=on works on one device"):
        distribution.choose_jit(TrainConfig(jit="on"), "gpu", Workers(2))


def test_auto_takes_accelerators_and_no_virtual_cpus(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: [f"{kind}:{n}" for n in range(2)])
    for kind, workers in (("cpu", ALONE), ("gpu", Workers(2)), ("tpu", Workers(2))):
        monkeypatch.setattr(distribution, "device_kind", lambda kind=kind: kind)
        assert distribution.choose_workers(TrainConfig()) == workers
