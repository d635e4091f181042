"""Each package that the lock installs is listed with its licence, and this program may use it."""

import importlib.metadata

import pytest

from tests.locked_licences import BY_HAND, PAGE, ROOT, incompatible, licence_of, locked_packages, read_page


@pytest.fixture(scope="module")
def listed() -> dict[str, str]:
    return read_page(PAGE.read_text(encoding="utf-8"))


def test_each_locked_package_is_listed(listed):
    locked = locked_packages((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert len(locked) > 100
    assert list(listed) == locked
    # the planted failure: a package that the list does not know
    assert locked_packages("a-b==1 ; x\nnew==2 \\\n    --hash=sha256:0\n# c==1\n") == ["a-b", "new"]


def test_each_may_be_used(listed):
    assert incompatible(listed) == {}
    others = {"a": "GPL-3.0-only", "b": "MIT AND AGPL-3.0", "c": "", "d": "Commercial", "e": "GPL-2.0 OR MIT"}
    assert incompatible(others) == {name: others[name] for name in "abcd"}


def test_the_list_says_what_the_packages_say(listed):
    """Of those that are installed here; another version may say it in other words."""
    installed = {distribution.name.lower().replace("_", "-") for distribution in importlib.metadata.distributions()}
    seen = [name for name in listed if name in installed - set(BY_HAND)]
    assert len(seen) > 20
    assert {name: licence_of(name) for name in seen} == {name: listed[name] for name in seen}
