"""terminal: this project's log is shown, and what C++ prints is held back unless something fails."""

import logging
import os

import pytest

from gender_tfds import terminal


def test_this_projects_log_is_shown_plainly(capsys):
    terminal.show_log()
    logging.getLogger("trainer.somewhere").info("Epoch %d", 3)
    logging.getLogger("somebody.else").info("not ours")
    assert capsys.readouterr().err == "Epoch 3\n"


def test_what_is_written_to_the_descriptor_is_held_back(capfd):
    with terminal.without_native_noise():
        os.write(2, b"no GPU here\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_it_is_shown_when_something_fails(capfd):
    @terminal.without_native_noise()
    def fail():
        os.write(2, b"the reason\n")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "the reason\nafter\n"
