"""What there is to score: a stated order, and links, pipes, lists and patterns as a user means them."""

import io
import os
import pathlib
import sys
import types

import pytest

from export.listing import Listing, Picture
from gender_tfds.user_error import UserError

NAMES = [" a b .jpg", "-f.jpg", "sub.a/face.jpg", "sub/face.PNG", "sub/sub/face.jpg", "sub0.jpg", "z.webp/face.gif"]
OTHERS = ["notes.txt", "sub/table.csv", ".jpg", "jpg", "face.jpg.txt"]


@pytest.fixture
def tree(tmp_path) -> pathlib.Path:
    folder = tmp_path / "tree"
    for name in [*NAMES, *OTHERS]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "empty.jpg").mkdir()
    return folder


def names(*inputs: str, follow_links: bool = False) -> list[str]:
    return [picture.name for picture in Listing(inputs, follow_links=follow_links)]


def test_a_directory_is_listed_in_the_order_of_the_bytes_of_its_paths(tree):
    assert names(str(tree)) == NAMES == sorted(NAMES, key=os.fsencode)
    # the planted failure: folders by their bare names
    assert sorted(NAMES, key=lambda name: name.split("/")) != NAMES


def test_real_inputs_are_the_same_from_everywhere(tree, monkeypatch):
    (tree / "link").symlink_to("sub")
    for folder, inputs in ((tree, ["link", "sub*/*.jpg", "-"]), (tree / "sub", [".", "../sub*/*.jpg", "-"])):
        monkeypatch.chdir(folder)
        assert Listing(inputs).real_inputs == [str(tree / "sub"), f"{tree}/sub*/*.jpg", "-"]


def test_names_that_are_no_utf8_are_kept(tree):
    name = os.fsdecode(b"\xff\xfe\n.jpg")
    (tree / name).touch()
    assert names(str(tree))[-1] == name


def test_what_is_no_picture_by_its_suffix_is_counted(tree):
    listing = Listing([str(tree)])
    for _ in range(2):
        assert len(list(listing)) == len(NAMES)
        assert listing.others == len(OTHERS)


def test_it_is_a_stream(tree, monkeypatch):
    """The second folder is not looked at before the first one's pictures were taken."""
    asked, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: asked.append(path) or scandir(path))
    pictures = iter(Listing([str(tree)]))
    next(pictures)
    assert asked == [str(tree)]
    list(pictures)
    assert len(asked) == 6


def test_a_name_of_one_directory_is_relative_and_of_several_as_given(tree):
    assert names(str(tree / "sub")) == ["face.PNG", "sub/face.jpg"]
    both = names(str(tree / "sub"), str(tree / "z.webp"))
    assert both == [f"{tree}/sub/face.PNG", f"{tree}/sub/sub/face.jpg", f"{tree}/z.webp/face.gif"]


def test_a_file_is_taken_whatever_it_is_called_and_a_pattern_as_a_shell_would(tree):
    assert names(str(tree / "jpg")) == [f"{tree}/jpg"]
    assert names(f"{tree}/*.jpg") == [f"{tree}/{name}" for name in (" a b .jpg", "-f.jpg", "sub0.jpg")]
    assert names(f"{tree}/**/*.jpg") == [
        f"{tree}/{name}" for name in (" a b .jpg", "-f.jpg", "sub.a/face.jpg", "sub/sub/face.jpg", "sub0.jpg")
    ]
    (tree / "[1].jpg").touch()
    assert names(f"{tree}/[1].jpg") == [f"{tree}/[1].jpg"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"a.jpg\r\n\r\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"a\n1.jpg\0b.jpg\r\0", ["a\n1.jpg", "b.jpg\r"]),
        (b"\xff.jpg\n", ["\udcff.jpg"]),
        (b"a" * 200_000 + b"\nb", ["a" * 200_000, "b"]),
    ],
    ids=["lines", "windows", "zero bytes", "no utf-8", "long"],
)
def test_lists_are_read_from_files_and_standard_input(tmp_path, monkeypatch, content, expected):
    (tmp_path / "list.txt").write_bytes(content)
    assert names(str(tmp_path / "list.txt")) == expected
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(content))))
    listing = Listing(["-"])
    assert [picture.name for picture in listing] == expected
    assert not listing.repeatable
    assert Listing([str(tmp_path / "list.txt")]).repeatable


def test_links_inside_are_followed_and_those_that_lead_out_are_told(tree, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.jpg").touch()
    (tree / "in.jpg").symlink_to("sub0.jpg")
    (tree / "out.jpg").symlink_to(tmp_path / "outside" / "o.jpg")
    (tree / "nowhere.jpg").symlink_to("nothing.jpg")
    (tree / "round.jpg").symlink_to("round.jpg")
    (tree / "folder").symlink_to(tmp_path / "outside")
    (tree / "sub" / "up").symlink_to("..")
    listing = Listing([str(tree)])
    errors = {picture.name: picture.error for picture in listing}
    assert listing.links == 2
    told = {name: error for name, error in errors.items() if error}
    assert told == {"out.jpg": "a link out of the folder; --follow_links reads it"}
    assert set(errors) == {*NAMES, "in.jpg", "out.jpg", "nowhere.jpg", "round.jpg"}
    followed = list(Listing([str(tree)], follow_links=True))
    assert not any(picture.error for picture in followed)
    assert {picture.name for picture in followed} == {*errors, "folder/o.jpg"}


def test_a_folder_that_cannot_be_listed_is_a_row_and_the_outermost_a_mistake(tree, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    pictures = list(Listing([str(tree)]))
    assert Picture("sub/", f"{tree}/sub", "the folder can't be listed (Permission denied)") in pictures
    assert "sub0.jpg" in [picture.name for picture in pictures]
    with pytest.raises(UserError, match="can't be listed"):
        list(Listing([str(tree / "sub")]))


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (["{}/nothing"], "does not exist; give a directory"),
        (["{}", "{}/nothing"], "does not exist"),
        (["{}/empty.jpg"], "holds no picture; a picture ends in"),
        (["{}/*.png"], "holds no picture"),
        (["-", "-"], "given twice"),
        (["{}/dangling.txt"], r"dangling.txt can't be read \(No such file or directory\)"),
    ],
)
def test_a_mistake_is_told(tree, inputs, told):
    (tree / "dangling.txt").symlink_to("nowhere")
    with pytest.raises(UserError, match=told):
        list(Listing([one.format(tree) for one in inputs]))
