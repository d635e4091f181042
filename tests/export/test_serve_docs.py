"""The interface describes itself, on a page that asks nothing from elsewhere."""

import re

from export.serve_docs import DOCS_PAGE
from tests.export.servers import Session, running


def test_the_page_shows_every_operation_without_an_address_from_elsewhere(browser, artefacts):
    assert not re.findall(r"(?:https?:)?//[a-z]", DOCS_PAGE)
    with running(f"--model={artefacts / 'model_float32.tflite'}") as server:
        api = Session().get(f"{server.url}/openapi.json").json()
        browser.get_log("browser")
        browser.get(f"{server.url}/docs")
        wanted = [f"{method.upper()} {path}" for path, methods in api["paths"].items() for method in methods]
        for _ in range(50):
            shown = browser.execute_script("return [...document.querySelectorAll('h2')].map(e => e.textContent)")
            if shown:
                break
        assert shown == wanted
        assert "POST /predict" in shown
        faults = [entry for entry in browser.get_log("browser") if "favicon" not in entry["message"]]
        assert faults == []
        assert server.stop() == 0
