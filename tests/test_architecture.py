"""The rules of the tree: who may import whom, what stays light, and that every module has its test."""

import ast
import configparser
import importlib.metadata
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping

import pytest

ROOT = pathlib.Path(__file__).parents[1]
MAY_IMPORT = {"gender_tfds": set(), "trainer": {"gender_tfds"}, "export": {"gender_tfds"}}
PURE = ("gender_tfds.faces", "gender_tfds.run_folder")
HEAVY = {"tensorflow", "tensorflow_datasets", "keras", "jax"}
RUNNING = (
    *("export.predictor", "export.looker", "export.detector", "export.annotate", "export.scorer", "export.score"),
    *("export.records", "export.writers", "export.summary", "export.serve", "export.serve_process"),
)
MAX_LINES = 250


def read_sources() -> dict[str, str]:
    """Returns the source of every module of the product by its dotted name."""
    sources = {}
    for path in sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        sources[".".join(parts).removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    return sources


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """Returns what import statements name, dotted; of `from a import b` both `a` and `a.b`: b may be a module."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def runs_at_import(tree: ast.AST) -> Iterable[ast.AST]:
    """Yields the nodes that run when a module is imported: not functions, not what is for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from runs_at_import(node)


def imports(source: str) -> set[str]:
    return imported(ast.walk(ast.parse(source)))


def imports_at_import(source: str) -> set[str]:
    return imported(runs_at_import(ast.parse(source)))


def top(name: str) -> str:
    return name.partition(".")[0]


def forbidden_siblings(sources: Mapping[str, str]) -> list[str]:
    return [
        f"{module} imports {name}"
        for module, source in sources.items()
        for name in sorted({top(name) for name in imports(source)})
        if name in MAY_IMPORT and name != top(module) and name not in MAY_IMPORT[top(module)]
    ]


def relative_imports(sources: Mapping[str, str]) -> list[str]:
    """Relative imports would hide from the other rules."""
    return [
        f"{module} imports {name}" for module, source in sources.items() for name in imports(source) if not top(name)
    ]


def private_names(sources: Mapping[str, str]) -> list[str]:
    """Finds `from module import _name`, `import _module` and `module._name` of this project's modules."""
    found = []
    for module, source in sources.items():
        tree = ast.parse(source)
        ours = {name for name in imported(ast.walk(tree)) if top(name) in MAY_IMPORT}
        local = {name.rpartition(".")[2] for name in ours if name in sources}
        local |= {
            alias.asname
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
            if alias.asname and f"{getattr(node, 'module', '')}.{alias.name}".removeprefix(".") in sources
        }
        used = {
            f"{ast.unparse(node.value)}.{node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in local | ours
        }
        private = [name for name in sorted(ours | used) if re.search(r"(^|\.)_(?!_)", name)]
        found += [f"{module} uses {name}" for name in private]
    return found


def impure(sources: Mapping[str, str]) -> list[str]:
    return [
        f"{module} imports {name}"
        for module in PURE
        for name in sorted(imports(sources[module]))
        if top(name) not in sys.stdlib_module_names and not any(f"{name}.".startswith(f"{pure}.") for pure in PURE)
        if name != "gender_tfds"
    ]


def loaded_with(module: str, sources: Mapping[str, str]) -> set[str]:
    """Returns the project's modules that importing `module` loads, parents and itself included."""
    loaded, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in sources and name not in loaded:
            loaded.add(name)
            waiting += [name.rpartition(".")[0], *imports_at_import(sources[name])]
    return loaded


def heavy_imports(sources: Mapping[str, str]) -> list[str]:
    """Finds TensorFlow and its like where artefacts run. Only functions of `export.predictor` may import them."""
    found = set()
    for module in set().union(*(loaded_with(module, sources) for module in RUNNING)):
        lazy_is_fine = top(module) != "export" or module == "export.predictor"
        names = imports_at_import(sources[module]) if lazy_is_fine else imports(sources[module])
        found |= {f"{module} imports {name}" for name in map(top, names) if name in HEAVY}
    return sorted(found)


def undeclared(sources: Mapping[str, str], declared: set[str]) -> list[str]:
    """Finds imports of packages that an installation of this one might not bring."""
    distributions = importlib.metadata.packages_distributions()
    known = sys.stdlib_module_names | set(MAY_IMPORT)
    return [
        f"{module} imports {name}"
        for module, source in sources.items()
        for name in sorted({top(name) for name in imports(source)} - known)
        if not declared & {normal(distribution) for distribution in distributions.get(name, [name])}
    ]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared_packages() -> set[str]:
    """Returns the names in setup.cfg, without the `dev` extra: the product doesn't run on that."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = [config["options"]["install_requires"]]
    lists += [value for extra, value in config["options.extras_require"].items() if extra != "dev"]
    lines = "\n".join(lists).split("\n")
    return {normal(re.match(r"[\w.-]+", line).group()) for line in lines if line.strip()}


def without_test(modules: Iterable[str], tests: set[str]) -> list[str]:
    """Finds modules without their `test_X.py`; one file may cover a folder inside a package."""
    missing = []
    for module in modules:
        folder, _, name = module.rpartition(".")
        places = {f"tests/{folder.replace('.', '/')}/test_{name}.py"}
        if folder.count("."):
            package, _, subfolder = folder.rpartition(".")
            places.add(f"tests/{package.replace('.', '/')}/test_{subfolder}.py")
        if not places & tests:
            missing.append(f"{module} has none of {', '.join(sorted(places))}")
    return missing


def too_long(sources: Mapping[str, str]) -> list[str]:
    return [
        f"{module} has {len(source.splitlines())} lines"
        for module, source in sources.items()
        if len(source.splitlines()) > MAX_LINES
    ]


def loads(module: str) -> set[str]:
    """Returns which heavy packages a fresh interpreter holds after it imported `module`."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stdout.split())


@pytest.fixture(scope="module")
def sources():
    return read_sources()


def test_all_modules_are_read(sources):
    assert {"gender_tfds", "gender_tfds.faces", "gender_tfds.utkface", "trainer", "export"} <= set(sources)


def test_packages_import_only_what_they_may(sources):
    assert forbidden_siblings(sources) == []


@pytest.mark.parametrize(
    ("module", "source", "expected"),
    [
        ("export.score", "from trainer.models import MODELS", ["export.score imports trainer"]),
        ("export.score", "def f():\n    import trainer", ["export.score imports trainer"]),
        ("trainer.train", "import export.tflite as t", ["trainer.train imports export"]),
        ("gender_tfds.faces", "import trainer", ["gender_tfds.faces imports trainer"]),
        ("trainer.train", "from gender_tfds import faces\nimport exporter", []),
    ],
)
def test_a_forbidden_import_is_found(module, source, expected):
    assert forbidden_siblings({module: source}) == expected


def test_imports_are_absolute(sources):
    assert relative_imports(sources) == []


def test_a_relative_import_is_found():
    assert relative_imports({"export.score": "from . import writers"}) != []
    assert relative_imports({"export.score": "from ..trainer.models import x"}) != []


def test_no_module_uses_anothers_private_name(sources):
    assert private_names(sources) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from gender_tfds.faces import _fold", ["export.score uses gender_tfds.faces._fold"]),
        ("from gender_tfds import faces\nfaces._fold()", ["export.score uses faces._fold"]),
        ("from gender_tfds import faces as f\nf._fold()", ["export.score uses f._fold"]),
        ("import gender_tfds.faces\ngender_tfds.faces._fold()", ["export.score uses gender_tfds.faces._fold"]),
        ("import gender_tfds.faces as f\nf._fold()", ["export.score uses f._fold"]),
        ("from gender_tfds import faces\nfaces.fold()\nself._fold()\nfaces.__name__", []),
    ],
)
def test_a_private_name_is_found(source, expected):
    assert private_names({"export.score": source, "gender_tfds.faces": "def _fold(): ..."}) == expected


def test_the_contract_is_pure_python(sources):
    assert impure(sources) == []


def test_an_impure_contract_is_found():
    planted = {
        "gender_tfds.faces": "import hashlib\nimport numpy as np",
        "gender_tfds.run_folder": "from gender_tfds.faces import GENDERS\nfrom gender_tfds import images_cv",
    }
    assert impure(planted) == [
        "gender_tfds.faces imports numpy",
        "gender_tfds.run_folder imports gender_tfds.images_cv",
    ]


def test_running_an_artefact_needs_no_tensorflow(sources):
    assert "export.score" in sources
    assert heavy_imports(sources) == []


def test_a_heavy_import_is_found():
    lazy = "def f():\n    import tensorflow as tf"
    assert heavy_imports({"export.predictor": lazy}) == []
    assert heavy_imports({"export.predictor": "if TYPE_CHECKING:\n    import keras"}) == []
    assert heavy_imports({"export.score": lazy}) == ["export.score imports tensorflow"]
    assert heavy_imports({"export.predictor": "try:\n    import keras\nfinally:\n    pass"}) == [
        "export.predictor imports keras"
    ]
    assert heavy_imports(
        {
            "export.score": "from gender_tfds.utkface import source",
            "gender_tfds.utkface": "import gender_tfds.features",
            "gender_tfds.utkface.source": "",
            "gender_tfds.features": "from tensorflow_datasets import core",
        }
    ) == ["gender_tfds.features imports tensorflow_datasets"]


@pytest.mark.parametrize("module", ["export.score", "gender_tfds.command_line", "trainer.commands"])
def test_a_light_import_is_light(module):
    assert loads(module) == set()


def test_a_heavy_load_is_seen():
    assert loads("gender_tfds.features") == {"tensorflow_datasets"}


def test_every_import_is_declared(sources):
    assert undeclared(sources, declared_packages()) == []


def test_an_undeclared_import_is_found():
    planted = {"export.score": "import os, cv2, pytest, nonesuch\nfrom export import writers"}
    assert undeclared(planted, {"opencv-python-headless"}) == [
        "export.score imports nonesuch",
        "export.score imports pytest",
    ]


def test_every_module_has_its_test(sources):
    packages = {str(path.parent.relative_to(ROOT)).replace("/", ".") for path in ROOT.glob("*/**/__init__.py")}
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert without_test(set(sources) - packages, tests) == []


def test_a_module_without_a_test_is_found():
    modules = ["export.score", "export.serve", "gender_tfds.utkface.source", "gender_tfds.fairface.source"]
    tests = {"tests/export/test_score.py", "tests/gender_tfds/test_utkface.py"}
    assert without_test(modules, tests) == [
        "export.serve has none of tests/export/test_serve.py",
        "gender_tfds.fairface.source has none of tests/gender_tfds/fairface/test_source.py,"
        " tests/gender_tfds/test_fairface.py",
    ]


def test_modules_are_short(sources):
    assert too_long(sources) == []


def test_a_long_module_is_found():
    assert too_long({"a": "\n" * MAX_LINES, "b": "\n" * (MAX_LINES + 1)}) == [f"b has {MAX_LINES + 1} lines"]
