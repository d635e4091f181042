"""A backend that can't be had is one sentence, before Keras is imported."""

import importlib.util
import os

import pytest

from export import commands as export_commands
from gender_tfds.keras_backend import prepare_backend
from gender_tfds.user_error import UserError
from trainer import commands, judging_commands


@pytest.mark.parametrize("name", [None, "", "tensorflow"])
def test_tensorflow_is_the_default(name, monkeypatch):
    if name is None:
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
    else:
        monkeypatch.setenv("KERAS_BACKEND", name)
    prepare_backend()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"  # or Keras would look into a user's keras.json


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("0", "0")])
def test_tensorflow_uses_onednn_unless_told_otherwise(given, used, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given or "")
    if given is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    prepare_backend()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == used


def test_jax_is_taken_where_it_is_installed_and_told_where_not(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    prepare_backend()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "gender-classifier\[jax\]"'):
        prepare_backend()


@pytest.mark.parametrize(
    ("run", "flags"),
    [
        (commands.train, ["--workdir=w"]),
        (commands.tune, ["--workdir=w"]),
        (commands.cross_validate, ["--workdir=w"]),
        (judging_commands.evaluate, ["--workdir=w"]),
        (judging_commands.compare, ["w", "w"]),  # of one run it prints what is there
        (export_commands.score, ["w", "--model=m.keras"]),
    ],
)
def test_every_command_that_needs_keras_tells_it(run, flags, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w").mkdir()
    (tmp_path / "m.keras").write_bytes(b"PK\x05\x06" + bytes(18))  # an empty archive
    assert run(flags) == 2
    assert "KERAS_BACKEND=torch is not supported; set it to tensorflow or jax" in capsys.readouterr().err
