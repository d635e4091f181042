"""gpu.py: one command on whatever device is there; its figures follow what they are about."""

import time
from unittest import mock

import pytest
import tensorflow as tf

QUICK = ("--presets=smoke", "--precisions=float32", "--seconds=0.1", "--rounds=1", "--batch_size=8")


def _slowed(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the batches, each a fifth of a second late."""

    def late(images, targets):
        images.set_shape((None, 32, 32, 3))
        targets.set_shape((None, 2))
        return images, targets

    def wait(images, targets):
        time.sleep(0.2)
        return images, targets

    return batches.map(lambda *batch: late(*tf.numpy_function(wait, batch, (tf.uint8, tf.float32))))


@pytest.mark.slow
def test_waiting_for_input_is_seen_and_not_taken_for_augmentation(script, measured, data_dir):
    gpu = script("gpu")
    make, name = gpu.make_train_dataset, "smoke, float32: "
    with mock.patch.object(gpu, "make_train_dataset", lambda *a, **b: _slowed(make(*a, **b).take(40))):
        found = measured(gpu, *QUICK, f"--data_dir={data_dir}")
    assert found[name + "images a second"] < 40  # 8 in a fifth of a second
    assert found[name + "rate, float32 = 1"] == 1
    assert found[name + "share of a step that waits for input"] > 0.5
    assert found[name + "share of a step that is augmentation"] < 0.5


def test_how_busy_a_gpu_was_is_asked_of_nvidia_smi(script, tmp_path, monkeypatch):
    gpu = script("gpu")
    with gpu.utilisation() as busy:
        pass
    assert busy == [] or gpu.shutil.which("nvidia-smi")
    tool = tmp_path / "nvidia-smi"
    told = tmp_path / "has told"
    tool.write_text(f"#!/bin/sh\necho 90\necho '[N/A]'\necho 94\ntouch '{told}'\nexec sleep 60\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with gpu.utilisation() as busy:
        begin = time.monotonic()
        while not told.exists() and time.monotonic() - begin < 60:
            time.sleep(0.01)
    assert busy == [90, 94]
