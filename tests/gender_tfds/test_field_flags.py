"""A field as a flag: of the right type, with its bounds, and described as it is."""

import dataclasses

import pytest
from absl import flags

from gender_tfds.field_flags import define_flag, describe_flag, setting


@dataclasses.dataclass(kw_only=True)
class Settings:
    number: int = setting(3, "how many", lower=1, upper=9)
    rate: float | None = setting(None, "how fast")
    kind: str = setting("a", "which", choices=("a", "b"))
    on: bool = setting(True, "whether")
    names: tuple[str, ...] = setting(("x", "y"), "of what")
    none: tuple[str, ...] = setting((), "of nothing")
    path: str = setting(dataclasses.MISSING, "where")


KINDS = {
    "number": int,
    "rate": float | None,
    "kind": str,
    "on": bool,
    "names": tuple[str, ...],
    "none": tuple[str, ...],
    "path": str,
}
FIELDS = {field.name: field for field in dataclasses.fields(Settings)}


def _parsed(*argv):
    values = flags.FlagValues()
    for name, field in FIELDS.items():
        define_flag(values, field, KINDS[name])
    values(["program", *argv])
    return {name: values[name].value for name in FIELDS}


def test_each_type_is_read_and_its_default_holds():
    assert _parsed() == {
        "number": 3,
        "rate": None,
        "kind": "a",
        "on": True,
        "names": ["x", "y"],
        "none": [],
        "path": None,
    }
    given = _parsed("--number=9", "--rate=0.5", "--kind=b", "--noon", "--names=z", "--path=p")
    assert given == {"number": 9, "rate": 0.5, "kind": "b", "on": False, "names": ["z"], "none": [], "path": "p"}


@pytest.mark.parametrize(
    "flag", ["--number=0", "--number=10", "--number=x", "--kind=c", "--rate=fast", "--rate=nan", "--rate=inf"]
)
def test_what_is_not_allowed_is_refused(flag):
    with pytest.raises(flags.Error):
        _parsed(flag)


def test_help_tells_meaning_choices_and_default():
    assert describe_flag(FIELDS["number"]) == ["  --number", "      how many (default 3)"]
    assert describe_flag(FIELDS["kind"])[1] == "      which (one of a, b; default a)"
    assert describe_flag(FIELDS["on"])[0] == "  --[no]on"
    assert describe_flag(FIELDS["names"])[1] == "      of what (default x,y)"
    assert describe_flag(FIELDS["none"])[1] == "      of nothing"
    assert describe_flag(FIELDS["path"])[1] == "      where (required)"
    assert describe_flag(FIELDS["rate"])[1] == "      how fast"
