"""What an installation brings: every data file, every command, and the releases that requirements.lock names."""

import ast
import configparser
import csv
import importlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gender_tfds.command_line import Command
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.user_error import UserError

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("gender_tfds", "trainer", "export")
PYTHONS = ("3.11", "3.12", "3.13")


def files_of_checkout() -> list[str]:
    """Returns the files that a commit of everything would hold; without git, all but caches."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        names = done.stdout.split("\0")
    else:
        names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if "__pycache__" not in path.parts]
    # A file that is deleted but not committed is still listed.
    return sorted(name for name in names if name and (ROOT / name).is_file())


def data_files(names: Iterable[str]) -> set[str]:
    return {name for name in names if name.split("/")[0] in PACKAGES and not name.endswith(".py")}


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def copy_checkout(folder: pathlib.Path) -> pathlib.Path:
    for name in files_of_checkout():
        if name.split("/")[0] in PACKAGES or "/" not in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def pip(*arguments: str | pathlib.Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def build_wheel(checkout: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, checkout)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The folder with the release: a source distribution, and the wheel that is built from nothing but that."""
    folder = tmp_path_factory.mktemp("release")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist"]
    done = subprocess.run([*command, copy_checkout(folder / "checkout")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def environment(release, tmp_path_factory):
    """A fresh virtual environment with this project's wheel; what that depends on is taken from where the tests run."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    # pip's own installation is most of a venv's time and the pip at hand can install into another environment.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (wheel,) = release.glob("*.whl")
    pip("--python", folder / "bin/python", "install", "--no-deps", "--no-index", wheel)
    site_packages = next(folder.glob("lib/python*/site-packages"))
    # a folder that is added so is searched last, and an editable installation in it does not count
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder


def run_installed(environment: pathlib.Path, *command: str | pathlib.Path) -> subprocess.CompletedProcess:
    """Runs a program of the environment far from the checkout."""
    program, *arguments = command
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [environment / "bin" / program, *arguments],
        cwd=environment,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_data_file_is_installed(environment):
    site_packages = next(environment.glob("lib/python*/site-packages"))
    installed = {path.relative_to(site_packages).as_posix() for path in site_packages.rglob("*") if path.is_file()}
    expected = data_files(files_of_checkout())
    assert "gender_tfds/utkface/README.md" in expected
    assert expected - installed == set()
    assert {name for name in files_of_checkout() if name.startswith(PACKAGES)} - installed == set()


def test_a_data_file_left_out_is_noticed(tmp_path):
    checkout = copy_checkout(tmp_path / "checkout")
    config = setup_cfg()
    config.remove_section("options.package_data")
    with (checkout / "setup.cfg").open("w", encoding="utf-8") as file:
        config.write(file)
    names = set(zipfile.ZipFile(build_wheel(checkout, tmp_path)).namelist())
    expected = data_files(files_of_checkout())
    assert expected - names == expected


def console_scripts() -> dict[str, str]:
    lines = setup_cfg()["options.entry_points"]["console_scripts"].strip().splitlines()
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines)


def test_every_command_is_installed(environment):
    assert console_scripts()
    assert [name for name in console_scripts() if not (environment / "bin" / name).is_file()] == []


def test_an_installation_scores_a_picture(environment, tmp_path):
    code = "import export, gender_tfds; print(export.__file__, gender_tfds.__file__)"
    origins = run_installed(environment, "python", "-c", code).stdout.split()
    assert len(origins) == 2
    assert all(pathlib.Path(origin).is_relative_to(environment) for origin in origins)
    (tmp_path / "face.jpg").write_bytes(encode_face(0))
    table = tmp_path / "scores.csv"
    done = run_installed(environment, "gender-score", tmp_path / "face.jpg", f"--output={table}")
    assert done.returncode == 0, done.stderr
    with table.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["gender"] in ("male", "female")
    assert 0.5 <= float(row["confidence"]) <= 1
    assert row["error"] == ""
    # the planted failure: an installation that lacks the packaged models
    site_packages = next(environment.glob("lib/python*/site-packages"))
    models = (site_packages / "export/models").rename(tmp_path / "models")
    try:
        again = run_installed(environment, "gender-score", tmp_path / "face.jpg", f"--output={tmp_path / 'again.csv'}")
        assert again.returncode != 0
    finally:
        models.rename(site_packages / "export/models")


def versions(release: pathlib.Path, citation: str) -> set[str]:
    """Returns the versions that the files of a release, their metadata, and the citation tell."""
    (wheel,), (sdist,) = release.glob("*.whl"), release.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = [archive.read(name).decode()]
    with tarfile.open(sdist) as archive:
        name = f"{sdist.name.removesuffix('.tar.gz')}/PKG-INFO"
        metadata.append(archive.extractfile(name).read().decode())
    told = [re.search(r"^Version: (.+)$", text, re.MULTILINE)[1] for text in metadata]
    told += [wheel.name.split("-")[1], sdist.name.removesuffix(".tar.gz").rpartition("-")[2]]
    return {*told, re.search(r"^version: (.+)$", citation, re.MULTILINE)[1]}


def test_a_release_has_one_version(release, environment):
    version = setup_cfg()["metadata"]["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert versions(release, citation) == {version}
    # what artefacts carry, see export/metadata.py
    code = "import importlib.metadata; print(importlib.metadata.version('gender-classifier'))"
    assert run_installed(environment, "python", "-c", code).stdout.strip() == version
    assert run_installed(environment, "gender-score", "--version").stdout.strip() == f"gender-score {version}"
    assert versions(release, citation.replace(f"\nversion: {version}", "\nversion: 9.9.9")) == {version, "9.9.9"}


def test_no_module_holds_a_version_of_its_own():
    def told(source: str) -> bool:
        return bool(re.search(r"""^__version__|^version\s*=\s*["']\d""", source, re.MULTILINE | re.IGNORECASE))

    sources = [name for name in files_of_checkout() if name.endswith((".py", ".toml"))]
    assert [name for name in sources if told((ROOT / name).read_text(encoding="utf-8"))] == []
    assert told('__version__ = "1.0.0"')


@pytest.mark.parametrize(("command", "target"), console_scripts().items())
def test_a_command_leads_to_a_function(command, target):
    module, _, function = target.partition(":")
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    defined |= {name.id for node in assigned for name in ast.walk(node) if isinstance(name, ast.Name)}
    assert function in defined, command


def faults_of_help(command: Command, text: str) -> list[str]:
    """Returns what `--help` lacks: the name and what it does, an example that parses, each flag with its meaning."""
    found = []
    if not re.match(rf"{re.escape(command.name)}: [a-z].*[^.]$", command.help().partition("\n\n")[0], re.DOTALL):
        found.append("summary")
    try:
        command.parse(shlex.split(command.example.removeprefix(f"{command.name} ")))
    except UserError as error:
        found.append(f"example: {error}")
    if f"\nExample:\n  {command.name} " not in text + " ":
        found.append("no example")
    lines = text.partition("\nFlags:\n")[2].partition("\n\n")[0].splitlines()
    names = [number for number, line in enumerate(lines) if line.startswith("  --")]
    return found + [lines[n] for n in names if not lines[n + 1].startswith(" " * 6)] + ["no flags"] * (not names)


@pytest.mark.parametrize("target", console_scripts().values())
def test_every_help_has_one_form(target, capsys):
    module, _, function = target.partition(":")
    run = getattr(importlib.import_module(module), function)
    assert run(["--help"]) == 0
    assert faults_of_help(run.__self__, capsys.readouterr().out) == []


def test_a_help_of_another_form_is_noticed():
    bare = Command(name="gender-x", summary="Does it.", example="gender-x --y=1", settings=(), main=print)
    faults = faults_of_help(bare, "gender-x: Does it.")
    assert [fault.partition(":")[0] for fault in faults] == ["summary", "example", "no example", "no flags"]


def promised_tests(readme: str) -> list[tuple[str, str]]:
    """Returns file and function of the tests that the README's table of promises names."""
    return re.findall(r"^\| .* \| `([\w/]+\.py)::(test_\w+)` \|$", readme, re.MULTILINE)


def test_every_promise_has_its_test():
    promised = promised_tests((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(promised) > 10
    missing = [
        (file, name)
        for file, name in promised
        if f"def {name}(" not in (ROOT / "tests" / file).read_text(encoding="utf-8")
    ]
    assert missing == []
    # the planted failure: a row whose test is gone
    assert promised_tests("| it flies | `test_packaging.py::test_it_flies` |") == [
        ("test_packaging.py", "test_it_flies")
    ]


def requirements() -> list[Requirement]:
    """Returns what setup.cfg asks for, the `dev` extra included: the lock serves tests too."""
    lists = [setup_cfg()["options"]["install_requires"], setup_cfg()["options.extras_require"]["dev"]]
    return [Requirement(line) for line in "\n".join(lists).splitlines() if line.strip()]


def problems(lock: str, wanted: Iterable[Requirement]) -> list[str]:
    """Finds entries that are no pin of a release by its files' SHA-256, and requirements without one on each Python."""
    entries = re.sub(r"\s*#.*", "", lock).replace("\\\n", " ").splitlines()
    found, pins = [], []
    for entry in filter(None, map(str.strip, entries)):
        pin, *hashes = re.split(r"\s+--hash=", entry)
        if not re.fullmatch(r"[\w.-]+==[\w.!+-]+( ; [\w.'\"<>=!() -]+)?", pin):
            found.append(f"not a pin: {entry}")
            continue
        pins.append(pin)
        if not hashes or not all(re.fullmatch("sha256:[0-9a-f]{64}", one.strip()) for one in hashes):
            found.append(f"without hashes: {pin}")
    found += [f"an address: {line}" for line in lock.splitlines() if re.search(r"\w+://|file:", line)]
    pinned = [Requirement(pin) for pin in pins]
    for requirement in wanted:
        for python in PYTHONS:
            environment = {"python_version": python, "python_full_version": f"{python}.0"}
            versions = [
                next(iter(pin.specifier)).version
                for pin in pinned
                if canonicalize_name(pin.name) == canonicalize_name(requirement.name)
                if pin.marker is None or pin.marker.evaluate(environment)
            ]
            if len(versions) != 1 or versions[0] not in requirement.specifier:
                found.append(f"Python {python}: {requirement} is pinned to {versions}")
    return found


def test_the_lock_pins_what_setup_cfg_wants():
    assert problems((ROOT / "requirements.lock").read_text(encoding="utf-8"), requirements()) == []


def test_the_lock_brings_no_third_framework_and_no_second_opencv():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.findall(r"^(?:torch|opencv-python|opencv-contrib-python)==.*", lock, re.MULTILINE) == []


HASH = " \\\n    --hash=sha256:" + 64 * "0"


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        ("# a comment\nNumPy==2.4.6%s\n    # via keras\n", []),
        ("numpy==2.4.6", ["without hashes: numpy==2.4.6"]),
        ("numpy==2.4.6 --hash=md5:00", ["without hashes: numpy==2.4.6"]),
        ("numpy==2.4.6 ; python_full_version < '3.12'%s\nnumpy==2.5 ; python_full_version >= '3.12'%s", []),
        ("numpy==2.4.6%s\n--extra-index-url /opt/pypi", ["not a pin: --extra-index-url /opt/pypi"]),
        ("numpy==2.4.6%s\n-f /opt/wheels", ["not a pin: -f /opt/wheels"]),
        ("# from https://example.org\nnumpy==2.4.6%s", ["an address: # from https://example.org"]),
        ("numpy==2.4.6%s\nx @ file:x.whl", ["not a pin: x @ file:x.whl", "an address: x @ file:x.whl"]),
        ("numpy>=2.4\n", ["not a pin: numpy>=2.4", *[f"Python {p}: numpy<3,>=2 is pinned to []" for p in PYTHONS]]),
        ("numpy==1.26.4%s", [f"Python {p}: numpy<3,>=2 is pinned to ['1.26.4']" for p in PYTHONS]),
        ("numpy==2.4.6 ; python_full_version < '3.13'%s", ["Python 3.13: numpy<3,>=2 is pinned to []"]),
    ],
)
def test_a_bad_lock_is_noticed(lock, expected):
    assert problems(lock.replace("%s", HASH), [Requirement("numpy>=2,<3")]) == expected
