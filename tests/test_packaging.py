"""What an installation brings: every data file, every command, and the releases that requirements.lock names."""

import ast
import configparser
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
def environment(tmp_path_factory):
    """A fresh virtual environment with nothing but this project's wheel."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = build_wheel(copy_checkout(folder / "checkout"), folder)
    # pip's own installation is most of a venv's time and the pip at hand can install into another environment.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    pip("--python", folder / "venv/bin/python", "install", "--no-deps", "--no-index", wheel)
    return folder / "venv"


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


@pytest.mark.parametrize(("command", "target"), console_scripts().items())
def test_a_command_leads_to_a_function(command, target):
    module, _, function = target.partition(":")
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign)]
    defined |= {name.id for node in assigned for name in ast.walk(node) if isinstance(name, ast.Name)}
    assert function in defined, command


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
