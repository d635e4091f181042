"""The report in a real browser: nothing fails, nothing is too wide for a phone, read in dark and in light."""

import pytest

from gender_tfds import run_folder

PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


def _open(browser, path, colours="light"):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    media = [{"name": "prefers-color-scheme", "value": colours}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    browser.get_log("browser")  # of the page before
    browser.get(path.as_uri())
    return browser


def _width(browser):
    return browser.execute_script("return document.documentElement.scrollWidth")


def _contrast(browser):
    """Returns the difference in brightness, in [0, 255], between the text and its ground."""
    text, ground = browser.execute_script(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    )
    bright = [
        sum(int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]) / 3 for colour in (text, ground)
    ]
    return bright[0] - bright[1]


@pytest.mark.parametrize(("colours", "dark"), [("light", False), ("dark", True)])
def test_the_report_is_read_on_a_phone_in_both_colours(browser, trained_run, colours, dark):
    _open(browser, trained_run / run_folder.REPORT, colours)
    assert browser.get_log("browser") == []
    assert _width(browser) <= PHONE["width"]
    assert abs(_contrast(browser)) > 150
    assert (_contrast(browser) > 0) == dark
    pictures = "return [...document.images].map(image => image.complete && image.naturalWidth > 100)"
    shown = browser.execute_script(pictures)
    assert len(shown) == 11
    assert all(shown)


def test_a_page_with_faults_would_be_noticed(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<meta name="viewport" content="width=device-width"><div style="width:900px">wide</div>'
        "<script>nothing.is.here()</script>"
    )
    _open(browser, page)
    assert _width(browser) > 900
    assert "nothing is not defined" in browser.get_log("browser")[0]["message"]
