"""scale.py: its figures tell a way that grows from one that does not."""

import pytest


def test_a_growing_time_is_told(script, capsys):
    scale = script("scale")
    scale.report("part", [(0, 1.0, 50, 60), (1000, 2.0, 50, 60), (3000, 4.0, 50, 61)])
    assert capsys.readouterr().out.splitlines() == [
        "part: 1,000 pictures a CPU second at first; time of a picture by parts: 1, 1",
        "part: MB at most by parts: 60, 61",
    ]
    scale.report("part", [(0, 1.0, 50, 60), (1000, 2.0, 50, 60), (3000, 8.0, 50, 160)])
    assert "by parts: 1, 3\n" in capsys.readouterr().out


def _slopes(capsys):
    told = capsys.readouterr().out.splitlines()[-2]
    return [float(number) for number in told.rpartition(": ")[2].split(", ")]


def test_the_search_and_the_scoring_are_measured(script, capsys, tmp_path):
    scale = script("scale")
    scale.report("duplicates", scale.duplicates(tmp_path, 1000))
    assert len(_slopes(capsys)) == 4
    marks = scale.score(tmp_path, 640)
    assert [mark[0] for mark in marks] == [0, *range(64, 641, 64)]
    rows = (tmp_path / "scores.csv").read_text().splitlines()
    assert len(rows) == 641
    assert not [row for row in rows[1:] if not row.endswith(",")]  # no error


@pytest.mark.slow
def test_builds_and_their_input_are_measured(script, tmp_path):
    scale = script("scale")
    marks = scale.build(tmp_path, 2000)
    assert [mark[0] for mark in marks] == [20, 200, 400, 1000, 2000]
    assert [mark[0] for mark in scale.read_input(tmp_path, 2000)][-1] >= 2000
