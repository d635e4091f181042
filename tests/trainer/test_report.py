"""The report holds everything and asks for nothing; the model card says what was measured."""

import html.parser
import re

import pandas as pd
import pytest

from gender_tfds import run_folder, saved_run
from trainer import report
from trainer.evaluate import load_calibration
from trainer.slices import compute_slices


class _Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.sources, self.open, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def page(trained_run):
    return _Page((trained_run / run_folder.REPORT).read_text())


def test_the_report_is_one_file_that_asks_for_nothing(page, trained_run):
    assert len(page.sources) == 11  # the run's pictures
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not re.findall(r"https?://", (trained_run / run_folder.REPORT).read_text())
    assert page.open == []


def test_the_report_says_what_the_numbers_are_and_what_the_label_is(page, trained_run):
    words = " ".join(page.words)
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series")
    low, high = numbers["intervals"]["accuracy"]
    assert f"{numbers['accuracy']:.4f} ({low:.4f} to {high:.4f})" in words
    assert numbers["note"] in words
    assert "says nothing about people" in words


def test_only_settings_that_the_network_has_a_use_for_are_told(trained_run):
    record = saved_run.load_record(trained_run)
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series").to_dict()
    slices = compute_slices(pd.read_csv(trained_run / run_folder.PREDICTIONS))

    def told(**settings):
        changed = {**record, "settings": {**record["settings"], **settings}}
        text = report.make_report(changed, numbers, slices, load_calibration(trained_run), trained_run, trained_run)
        words = _Page(text.partition("<h2>Settings</h2>")[2].partition("<h2>Data</h2>")[0]).words
        return set(words) & {"model", "width", "dropout", "learning rate"}

    assert told(model="resnet", dropout=0.5) == {"model", "width", "dropout", "learning rate"}
    assert told(model="seed_cnn") == {"model", "learning rate"}
    assert told(model="resnet", dropout=0.5, init_from="device") == {"learning rate"}


def test_what_comes_from_a_run_is_escaped(trained_run):
    record = saved_run.load_record(trained_run)
    record["command"] = "<script>alert(1)</script>"
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series").to_dict()
    slices = compute_slices(pd.read_csv(trained_run / run_folder.PREDICTIONS))
    fitted = load_calibration(trained_run)
    text = report.make_report(record, numbers, slices, fitted, trained_run, trained_run)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
