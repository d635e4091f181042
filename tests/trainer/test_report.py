"""The report holds everything and asks for nothing; the model card says what was measured."""

import html.parser
import re

import pandas as pd
import pytest

from gender_tfds import run_folder, saved_run
from trainer import report
from trainer.metrics import compute_slices


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
    assert len(page.sources) == 6  # the run's pictures
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert not re.findall(r"https?://", (trained_run / run_folder.REPORT).read_text())
    assert page.open == []


def test_the_report_says_what_the_numbers_are_and_what_the_label_is(page, trained_run):
    words = " ".join(page.words)
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series")
    assert f"{numbers['accuracy']:.4f}" in words
    assert numbers["note"] in words
    assert "says nothing about people" in words


def test_what_comes_from_a_run_is_escaped(trained_run):
    record = saved_run.load_record(trained_run)
    record["command"] = "<script>alert(1)</script>"
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series").to_dict()
    slices = compute_slices(pd.read_csv(trained_run / run_folder.PREDICTIONS))
    text = report.make_report(record, numbers, slices, trained_run, trained_run)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_model_card_has_front_matter_and_the_measured_accuracy(trained_run):
    card = (trained_run / run_folder.MODEL_CARD).read_text()
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series")
    assert card.startswith("---\nlibrary_name: keras\n")
    assert f"**{numbers['accuracy']:.4f}**" in card
    assert "Not for decisions about a person" in card


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("utkface", "non-commercial research only"),
        ("fairface", "CC BY 4.0"),
        ("face_folder", "a user's own"),
        ("mine", "Mind the licence"),
    ],
)
def test_the_licence_of_the_data_is_said(trained_run, dataset, said):
    record = saved_run.load_record(trained_run)
    record["settings"]["dataset"] = dataset
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series").to_dict()
    assert said in report.make_model_card(record, numbers, pd.DataFrame(columns=["accuracy", "low", "high", "ranked"]))


def test_the_licence_of_what_training_started_from_is_said_too(trained_run):
    record = saved_run.load_record(trained_run)
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series").to_dict()
    empty = pd.DataFrame(columns=["accuracy", "low", "high", "ranked"])
    assert "started from" not in report.make_model_card(record, numbers, empty)
    record["settings"]["init_from"] = "older.keras"
    assert "started from older.keras, whose data's licence holds too" in report.make_model_card(record, numbers, empty)
    record["settings"] |= {"init_from": None, "pretrained": "imagenet"}
    assert "ImageNet, whose pictures may be used for non-commercial" in report.make_model_card(record, numbers, empty)
    record["settings"]["pretrained"] = "base.keras"
    assert "started from base.keras, whose data's licence" in report.make_model_card(record, numbers, empty)
