"""Lists the licences of what requirements.lock installs: `python -m tests.locked_licences`, after `make lock`.

Writes docs/licences.md from the metadata of what is installed; what those do not tell stands in `BY_HAND`.
"""

import importlib.metadata
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"

# Of packages that are not installed on Linux, or whose metadata name none: as their source says.
BY_HAND = {
    "colorama": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "mlcroissant": "Apache-2.0",
    "namex": "Apache-2.0",
    "tzdata": "Apache-2.0",
}
# What metadata say in other words than SPDX's. "BSD": one of its licences, of which they don't say which.
WORDS = {
    "apache": "Apache-2.0",
    "bsd 3-clause": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "2-clause bsd": "BSD-2-Clause",
    "mozilla": "MPL-2.0",
    "python software foundation": "PSF-2.0",
    "bsd": "BSD",
    "mit": "MIT",
}
# A program under MIT may use packages under these, installed beside it. MPL-2.0 asks for the source of its own files
# alone, which nobody here changes.
COMPATIBLE = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU"),
    *("MPL-2.0", "PSF-2.0", "Zlib"),
}
HEAD = """# Licences of what requirements.lock installs

Written by `python -m tests.locked_licences`. None of these packages is part of this program, which is under the
[MIT licence](../LICENSE); all may be used by it. What the web page carries is in its own `THIRD_PARTY.txt`, the
packaged models' licences are in [export/models](../export/models/README.md).

| package | licence |
|---|---|
"""


def locked_packages(lock: str) -> list[str]:
    """Returns the names in a lock file, each once."""
    return list(dict.fromkeys(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)))


def licence_of(package: str) -> str:
    """Returns a package's licence as an SPDX expression, or what its metadata say, where they name one."""
    if package in BY_HAND:
        return BY_HAND[package]
    metadata = importlib.metadata.metadata(package)
    if expression := metadata.get("License-Expression"):
        return expression
    told = (metadata.get("License") or "").strip().partition("\n")[0]
    names = set(re.findall(r"[\w.-]+", told)) - {"AND", "OR"}
    if names and names <= COMPATIBLE:
        return told
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    found = {in_spdx(text.rpartition(" :: ")[2]) for text in classifiers} or {in_spdx(told)}
    return " OR ".join(sorted(found))


def in_spdx(text: str) -> str:
    """Returns the SPDX name of a licence that is told in words, or the words."""
    return next((name for words, name in WORDS.items() if words in text.lower()), text)


def read_page(page: str) -> dict[str, str]:
    """Returns package -> licence, as the page lists them."""
    return dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", page.partition("|---|\n")[2], re.MULTILINE))


def incompatible(licences: dict[str, str]) -> dict[str, str]:
    """Returns the packages that may not be used; of a choice, `OR`, one licence is enough."""

    def may_be_used(expression: str) -> bool:
        choices = [set(re.findall(r"[\w.-]+", choice)) - {"AND"} for choice in expression.split(" OR ")]
        return any(names and names <= COMPATIBLE for names in choices)

    return {package: licence for package, licence in licences.items() if not may_be_used(licence)}


if __name__ == "__main__":
    names = locked_packages((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    PAGE.write_text(HEAD + "".join(f"| {name} | {licence_of(name)} |\n" for name in names), encoding="utf-8")
