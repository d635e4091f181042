"""Assembling the page: what it is made of, what is refused, and that nothing in it is left to chance."""

import base64
import dataclasses
import hashlib
import json
import re

import pytest

from export import serving_commands
from export.metadata import METADATA
from export.score_config import FACE_COLUMNS
from export.web_page import CONFIG, MODEL, OF_OTHERS, SOURCES, assemble
from gender_tfds.faces import BLAZEFACE_TEMPLATE
from gender_tfds.run_folder import Prediction
from gender_tfds.user_error import UserError


@pytest.fixture
def packages(tmp_path):
    """What npm would have fetched, as far as assembling looks at it."""
    folder = tmp_path / "node_modules"
    for name in OF_OTHERS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
        package = folder / "/".join(name.split("/")[:2]) / "package.json"
        package.write_text(json.dumps({"version": "1.2.3", "license": "Apache-2.0"}))
    return folder


def test_the_page_is_plain_files(packages, artefacts, tmp_path):
    model, page = artefacts / "model_int8.tflite", tmp_path / "page"
    assemble(packages, model, page)
    own = {path.name for path in SOURCES.iterdir() if path.suffix in (".html", ".js", ".css", ".svg")} - {"docs.html"}
    names = {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()}
    assert names == own | set(OF_OTHERS.values()) | {MODEL, CONFIG, "THIRD_PARTY.txt"}
    assert (page / MODEL).read_bytes() == model.read_bytes()
    for name, target in OF_OTHERS.items():
        assert (page / target).read_text() == f"content of {name}"
    credits = (page / "THIRD_PARTY.txt").read_text()
    assert "@litertjs/core/dist/index.js, version 1.2.3, licence Apache-2.0" in credits
    assert "Apache License\n" in credits
    config = json.loads((page / CONFIG).read_text())
    assert config["columns"] == [field.name for field in dataclasses.fields(Prediction)]
    assert config["face_columns"] == list(FACE_COLUMNS)
    assert config["fractions"] == ["confidence", "p_female", "detection_score"]
    assert config["crop_template"] == [list(point) for point in BLAZEFACE_TEMPLATE]
    assert METADATA not in config  # labels, threshold and size stand in the model


def test_an_earlier_page_is_replaced_and_anything_else_is_not(packages, artefacts, tmp_path):
    model, page = artefacts / "model_int8.tflite", tmp_path / "page"
    assemble(packages, model, page)
    (page / "old.js").write_text("old")
    assemble(packages, model, page)
    assert not (page / "old.js").exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"precious")
    with pytest.raises(UserError, match=r"photos holds something else than a page; give another folder$"):
        assemble(packages, model, tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]
    (tmp_path / "photos" / CONFIG).touch()  # as a run folder has one
    with pytest.raises(UserError, match="holds something else than a page"):
        assemble(packages, model, tmp_path / "photos")
    with pytest.raises(UserError, match=r"a.jpg is a file; give a folder$"):
        assemble(packages, model, tmp_path / "photos" / "a.jpg")
    assert (tmp_path / "photos" / "a.jpg").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        (
            "node_modules",
            "/nowhere",
            r"--node_modules=/nowhere lacks @litertjs/core/dist/index\.js; give the folder",
        ),
        (
            "model",
            "/nowhere.tflite",
            r"--model=/nowhere\.tflite is not a \.tflite file; give one that gender-export",
        ),
        ("model", __file__, r"test_web_page\.py is not a \.tflite file"),
        ("output_dir", "/dev/null/page", r"--output_dir=/dev/null/page can't be written"),
    ],
)
def test_a_mistake_is_one_sentence_and_2(packages, artefacts, tmp_path, flag, value, told, capsys):
    flags = {"node_modules": packages, "model": artefacts / "model_int8.tflite", "output_dir": tmp_path / "page"}
    assert serving_commands.web([f"--{name}={of}" for name, of in (flags | {flag: value}).items()]) == 2
    message = capsys.readouterr().err
    assert re.search(told, message)
    assert (message.startswith("gender-web: "), message.count("\n")) == (True, 1)
    assert not (tmp_path / "page").exists()


def test_a_damaged_model_makes_no_page(packages, artefacts, tmp_path, capsys):
    (tmp_path / "cut.tflite").write_bytes((artefacts / "model_int8.tflite").read_bytes()[:-100])
    flags = [f"--node_modules={packages}", f"--model={tmp_path / 'cut.tflite'}", f"--output_dir={tmp_path / 'page'}"]
    assert serving_commands.web(flags) == 2
    assert "is damaged, or not an artefact of gender-export" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_the_command_says_where_the_page_is(packages, tmp_path, capsys):
    assert (
        serving_commands.web([f"--node_modules={packages}", f"--output_dir={tmp_path / 'page'}"]) == 0
    )  # a packaged model
    assert f"python3 -m http.server -d {tmp_path / 'page'}" in capsys.readouterr().err
    assert serving_commands.web(["--help"]) == 0
    assert serving_commands.WEB.example in capsys.readouterr().out
    assert serving_commands.WEB.parse(serving_commands.WEB.example.split()[1:])


def test_the_policy_names_the_import_map_and_no_other_address():
    html = SOURCES.joinpath("index.html").read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', html)
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    assert policy.startswith("default-src 'self'; ")
    assert f"'sha256-{digest}'" in policy
    assert not re.search(r"\*|https?:|data:|unsafe-(inline|eval')", policy.replace("'wasm-unsafe-eval'", ""))


def test_each_fetched_package_is_pinned():
    wanted = json.loads(SOURCES.joinpath("package.json").read_text())["dependencies"]
    packages = json.loads(SOURCES.joinpath("package-lock.json").read_text())["packages"]
    assert set(wanted) | {"@litertjs/wasm-utils"} == {name.removeprefix("node_modules/") for name in packages if name}
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert all(facts["license"] == "Apache-2.0" for name, facts in packages.items() if name)
    assert all(facts["integrity"].startswith("sha512-") for name, facts in packages.items() if name)
