"""gender-serve and gender-web as typed; their mistakes are tested beside what they start."""

import dataclasses

import pytest

from export import serving_commands
from tests.export.conftest import loaded_by


@pytest.mark.parametrize("name", ["serve", "web"])
def test_help_loads_nothing_heavy_and_lists_every_flag(tmp_path, name, capsys):
    code = (
        f"from export.serving_commands import {name}\nassert {name}(['--help']) == 0\n"
        "assert not {'cv2', 'numpy', 'uvicorn', 'fastapi'} & set(sys.modules)"
    )
    assert loaded_by(code, tmp_path) == set()
    command = {"serve": serving_commands.SERVE, "web": serving_commands.WEB}[name]
    assert command.run(["--help"]) == 0
    shown = capsys.readouterr().out
    for kind in command.settings:
        for field in dataclasses.fields(kind):
            assert f"--{field.name}" in shown
    assert command.parse(command.example.split()[1:])


def test_without_the_extra_it_is_told(monkeypatch, capsys):
    monkeypatch.setattr(serving_commands.importlib.util, "find_spec", lambda name: None)
    assert serving_commands.serve([]) == 2
    assert 'pip install "gender-classifier[serve]"' in capsys.readouterr().err


def test_a_body_that_would_never_fit_is_told_at_the_start(capsys):
    assert serving_commands.serve(["--max_body=2000", "--max_memory=1000"]) == 2
    assert "--max_body=2000 is over --max_memory=1000" in capsys.readouterr().err
