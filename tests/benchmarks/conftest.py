"""The scripts of benchmarks/ as modules."""

import importlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def script(monkeypatch):
    """Returns the module of a script by its name."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


@pytest.fixture
def measured(monkeypatch, capsys):
    """Returns, by name, the medians that a script's `main` prints when it is run with some flags."""

    def run(module, *flags):
        monkeypatch.setattr("sys.argv", [module.__name__, *map(str, flags)])
        module.main()
        lines = [line.rpartition(": ") for line in capsys.readouterr().out.splitlines() if " rounds)" in line]
        return {name: float(values.split()[0]) for name, _, values in lines}

    return run
