"""Every script of benchmarks/ says with --help what it claims and how it is called, in one form."""

import ast
import pathlib
import re

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.stem != "ratios")
PARSER = "argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)"


def faults(name: str, source: str) -> list[str]:
    tree = ast.parse(source)
    claim, *rest = (ast.get_docstring(tree) or "").split("\n\n")
    found = []
    if not re.match(r"(Claim: |Runs )", claim):
        found.append("no claim")
    if not any(re.match(rf"    (python benchmarks/{name}\.py|make \w+)", line) for line in rest[:1]):
        found.append("no example")
    if PARSER not in ast.unparse(tree).replace("'", '"'):
        found.append("no --help with the example in its own lines")
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_tells_of_itself(script):
    assert faults(script.stem, script.read_text(encoding="utf-8")) == []


def test_a_script_that_does_not_is_seen():
    assert faults("x", '"""Measures."""\nimport sys') == [
        "no claim",
        "no example",
        "no --help with the example in its own lines",
    ]


def test_the_table_of_claims_names_every_script():
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| .* \| `python benchmarks/(\w+)\.py", table, re.MULTILINE))
    assert named == {path.stem for path in SCRIPTS} - {"run_all"}
