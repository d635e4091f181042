"""The server's processes: they end as asked, finish what they have, reload, and stay as many as they were."""

import contextlib
import os
import pathlib
import shutil
import signal
import threading
import time

import pytest
import requests

from export import serving_commands
from tests.export.servers import Session, running

MODEL_FILE = "model_float32.tflite"


def test_what_was_begun_is_finished_after_sigterm(artefacts, test_faces):
    with running(f"--model={artefacts / MODEL_FILE}") as server:
        statuses = []

        def ask():
            with Session() as session:
                for _ in range(200):
                    try:
                        statuses.append(session.post(f"{server.url}/predict", data=test_faces[0]).status_code)
                    except requests.ConnectionError:
                        return

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(statuses) < 20:
            time.sleep(0.01)
        assert server.stop() == 0
        for thread in threads:
            thread.join()
    assert set(statuses) == {200}
    with pytest.raises(requests.ConnectionError):
        Session().get(f"{server.url}/v2/health/live")


def test_sighup_takes_the_new_model_and_keeps_the_old_one_if_that_is_broken(artefacts, test_faces, tmp_path):
    model = tmp_path / "model.tflite"
    shutil.copy(artefacts / MODEL_FILE, model)
    with running(f"--model={model}") as server:

        def ask():
            answer = Session().post(f"{server.url}/predict", data=test_faces[0]).json()
            return answer["model"], answer["predictions"][0]["p_female"]

        first = ask()
        model.write_bytes(b"broken")
        server.signal(signal.SIGHUP)
        assert "is damaged" in server.read_until("The model was not changed")
        assert ask() == first
        shutil.copy(artefacts / "model_int8.tflite", model)
        server.signal(signal.SIGHUP)
        server.read_until("Serving model.tflite")
        second = ask()
        assert second[0] != first[0]
        assert second[1] != first[1]
        assert server.stop() == 0


def _workers(server):
    children = f"/proc/{server.pid}/task/{server.pid}/children"
    return [int(pid) for pid in pathlib.Path(children).read_text().split()]


def test_workers_share_the_socket_one_that_dies_is_replaced_and_numbers_are_of_all(artefacts, test_faces):
    with running(f"--model={artefacts / MODEL_FILE}", "--workers=2") as server:
        for _ in range(20):
            assert Session().post(f"{server.url}/predict", data=test_faces[0]).status_code == 200
        text = Session().get(f"{server.url}/metrics").text
        (line,) = [line for line in text.splitlines() if line.startswith("gender_requests_total")]
        assert float(line.rsplit(" ", 1)[1]) == 20
        victim = _workers(server)[-1]
        os.kill(victim, signal.SIGKILL)
        server.read_until("another one starts")
        for _ in range(10):
            assert Session().post(f"{server.url}/predict", data=test_faces[0]).status_code == 200
        assert server.stop() == 0


def test_workers_end_when_the_process_that_started_them_was_killed(artefacts, test_faces):
    with running(f"--model={artefacts / MODEL_FILE}", "--workers=2") as server:
        assert Session().post(f"{server.url}/predict", data=test_faces[0]).status_code == 200
        workers = _workers(server)
        server.signal(signal.SIGKILL)
        try:
            until = time.monotonic() + 10
            while any(pathlib.Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until:
                time.sleep(0.05)
            assert time.monotonic() < until
        finally:
            for pid in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--model=nothing.tflite"], "--model=nothing.tflite does not exist"),
        (["--model={model}", "--token_file=nothing"], "--token_file=nothing can't be read"),
        (["--model={model}", "--token_file={empty}"], "is empty"),
        (["--model={model}", "--web_dir=/nowhere"], "--web_dir=/nowhere holds no index.html"),
        (["--model={model}", "--host=256.0.0.1"], "can't be listened on"),
        (["--model={model}", "--host=0.0.0..0"], "can't be listened on"),
        (["--model={model}", "--port=70000"], "port"),
        (["--model={model}", f"--max_pixels={10**23}"], "max_pixels"),
        (["--model={empty}"], "is of no known kind"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(artefacts, tmp_path, flags, told, capsys):
    (tmp_path / "empty").touch()
    names = {"model": artefacts / MODEL_FILE, "empty": tmp_path / "empty"}
    assert serving_commands.serve([flag.format(**names) for flag in flags]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("gender-serve: ")
    assert told in line


def test_an_address_in_use_is_one_sentence(artefacts, capsys):
    with running(f"--model={artefacts / MODEL_FILE}") as server:
        port = server.url.rsplit(":", 1)[1]
        assert serving_commands.serve([f"--model={artefacts / MODEL_FILE}", f"--port={port}"]) == 2
        assert "can't be listened on (Address already in use)" in capsys.readouterr().err
        assert server.stop() == 0


def test_a_picture_of_too_many_pixels_is_refused(artefacts, test_faces):
    with running(f"--model={artefacts / MODEL_FILE}", "--max_pixels=100") as server:
        answer = Session().post(f"{server.url}/predict", data=test_faces[0])
        assert (answer.status_code, answer.json()["error"]) == (422, "more than 100 pixels")
        assert server.stop() == 0


def test_a_page_is_shown_at_the_root_and_hides_no_route(artefacts, test_faces, tmp_path):
    (tmp_path / "index.html").write_text("the page")
    (tmp_path.parent / "secret.txt").write_text("secret")
    with running(f"--model={artefacts / MODEL_FILE}", f"--web_dir={tmp_path}") as server:
        assert Session().get(f"{server.url}/").text == "the page"
        assert Session().post(f"{server.url}/predict", data=test_faces[0]).status_code == 200
        assert Session().get(f"{server.url}/v2/health/live").status_code == 200
        assert Session().get(f"{server.url}/%2e%2e/secret.txt").status_code == 404
        assert server.stop() == 0
    with running(f"--model={artefacts / MODEL_FILE}") as server:
        assert "openapi.json" in Session().get(f"{server.url}/").text
        assert server.stop() == 0
