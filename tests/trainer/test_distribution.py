"""Precision and compilation: what was asked for, or what the device is best at, and said so."""

import logging

import pytest

from trainer import distribution
from trainer.config import TrainConfig


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
