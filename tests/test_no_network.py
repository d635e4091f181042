"""Nothing asks the network at run time: the whole road runs where every connection but to this machine is an error."""

import os
import pathlib
import subprocess
import sys

import pytest

from gender_tfds import run_folder
from gender_tfds.drawn_faces.picture import encode_face

ROOT = pathlib.Path(__file__).parents[1]

# Python imports it as it starts, in every process: those that a command starts too. Names are not looked up either.
SITE = """
import ipaddress, os, socket

def _is_far(host):
    if host in ("", "localhost", None):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True

def _stop(what):
    with open(os.environ["ASKED"], "a") as file:
        file.write(f"{what}\\n")
    raise OSError(f"the network is out of bounds: {what}")

def _guard(owner, name, host_of):
    whole = getattr(owner, name)
    def guarded(*arguments, **options):
        if _is_far(host := host_of(*arguments)):
            _stop(host)
        return whole(*arguments, **options)
    setattr(owner, name, guarded)

class Guarded(socket.socket):
    def connect(self, address):
        if isinstance(address, tuple) and _is_far(address[0]):
            _stop(address[0])
        return super().connect(address)
    def connect_ex(self, address):
        if isinstance(address, tuple) and _is_far(address[0]):
            _stop(address[0])
        return super().connect_ex(address)
    def sendto(self, data, *rest):
        if isinstance(rest[-1], tuple) and _is_far(rest[-1][0]):
            _stop(rest[-1][0])
        return super().sendto(data, *rest)

socket.socket = Guarded
_guard(socket, "getaddrinfo", lambda host, *rest: host.decode() if isinstance(host, bytes) else host)
_guard(socket, "gethostbyname", lambda host: host)
"""


@pytest.fixture
def alone(tmp_path):
    """Runs Python code where the network is out of bounds; returns status and stderr. What was asked is in `asked`."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
        "ASKED": str(tmp_path / "asked"),
        "KAGGLEHUB_CACHE": str(tmp_path / "kagglehub"),
        "KERAS_HOME": str(tmp_path / "keras"),
    }

    def run(code, *flags):
        command = [sys.executable, "-c", f"import sys\n{code}", *map(str, flags)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    return run


def command_of(module, name):
    return f"from {module} import {name}\nsys.exit({name}())"


BUILD = """
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
Builder.NUM_FACES = 300
from tensorflow_datasets.scripts.cli.main import launch_cli
sys.argv[0] = "tfds"
launch_cli()
"""


@pytest.mark.slow
def test_the_road_runs_without_a_network(alone, tmp_path):
    data, run, artefacts = (tmp_path / name for name in ("data", "run", "artefacts"))
    formats = "--formats=saved_model,float32"
    steps = [
        (BUILD, ["build", "drawn_faces", "--imports=gender_tfds.drawn_faces", f"--data_dir={data}"]),
        (command_of("trainer.commands", "train"), ["--preset=smoke", f"--data_dir={data}", f"--workdir={run}"]),
        (
            command_of("export.commands", "export"),
            [f"--workdir={run}", f"--data_dir={data}", f"--output_dir={artefacts}", formats],
        ),
        (
            "from gender_tfds.drawn_faces.draw import COMMAND\nsys.exit(COMMAND.run())",
            [f"--output_dir={tmp_path / 'faces'}", "--count=3"],
        ),
        (
            command_of("export.commands", "score"),
            [tmp_path / "faces", f"--model={artefacts / 'model_float32.tflite'}", f"--output={tmp_path / 'table.csv'}"],
        ),
        (command_of("export.commands", "score"), [tmp_path / "faces", "--detector=yunet"]),
    ]
    for code, flags in steps:
        status, stderr = alone(code, *flags)
        assert status in ((0, 3) if "--detector=yunet" in flags else (0,)), stderr[-3000:]
    assert not (tmp_path / "asked").exists(), (tmp_path / "asked").read_text()
    assert (run / run_folder.METRICS).is_file()
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 4


def test_scoring_asks_no_network(alone, tmp_path):
    (tmp_path / "face.jpg").write_bytes(encode_face(0))
    status, stderr = alone(command_of("export.commands", "score"), tmp_path / "face.jpg")
    assert status == 0, stderr
    assert not (tmp_path / "asked").exists()


ASKS = {
    "a download by requests": ("import requests; requests.get('http://example.org/', timeout=5)", "example.org"),
    "urllib": ("import urllib.request; urllib.request.urlopen('https://example.org/', timeout=5)", "example.org"),
    "an address": ("import socket; socket.create_connection(('192.0.2.1', 80), 5)", "192.0.2.1"),
    "a datagram": (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "192.0.2.1",
    ),
    "a child process": (
        "import subprocess; sys.exit(subprocess.call([sys.executable, '-c',"
        " 'import socket; socket.getaddrinfo(\"example.org\", 80)']))",
        "example.org",
    ),
    "Kaggle's download": pytest.param(
        "from gender_tfds.utkface.utkface_dataset_builder import Builder\n"
        "Builder(data_dir='data').download_and_prepare()",
        "kaggle.com",
        marks=pytest.mark.slow,
    ),
}


@pytest.mark.parametrize(("code", "host"), ASKS.values(), ids=ASKS)
def test_what_asks_the_network_is_stopped_and_noticed(alone, tmp_path, code, host):
    status, stderr = alone(code)
    assert status != 0
    assert host in (tmp_path / "asked").read_text(), stderr[-3000:]


def test_this_machine_may_be_asked(alone, tmp_path):
    code = (
        "import socket\nserver = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(('localhost', server.getsockname()[1]), 5)"
    )
    status, stderr = alone(code)
    assert status == 0, stderr
    assert not (tmp_path / "asked").exists()
