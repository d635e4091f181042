"""Clients that send no head, or one without end, on a real socket; beside each what uvicorn alone does with it."""

import contextlib
import socket
import threading

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from export import head_limits
from export.head_limits import HeadLimits

CLOSED_WITHIN = 10  # seconds; half of what a head may take where `short` is not
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
HASTY = HEAD.replace(b"/ ", b"/hasty ", 1)  # answered before its body is read
KEPT_ALIVE = 1  # second


async def _app(scope, receive, send):
    size = 0
    while scope["path"] != "/hasty" and (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"7")]})
    await send({"type": "http.response.body", "body": b"%7d" % size})


@contextlib.contextmanager
def _connected(protocol):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(_app, http=protocol, log_config=None, lifespan="off", timeout_keep_alive=KEPT_ALIVE)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            with socket.create_connection(listening.getsockname(), timeout=20) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


def _is_closed(client, seconds):
    """Whether the server closes the connection within some seconds."""
    client.settimeout(seconds)
    try:
        while client.recv(1000):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    finally:
        client.settimeout(20)
    return True


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(head_limits, "SECONDS", 0.3)


@pytest.mark.parametrize(("protocol", "closed"), [(HeadLimits, True), (HttpToolsProtocol, False)])
@pytest.mark.parametrize("sent", [b"", HEAD[:20]])
def test_a_head_that_does_not_come_is_waited_for_so_long_and_no_longer(short, protocol, closed, sent):
    with _connected(protocol) as client:
        client.sendall(sent)
        assert _is_closed(client, CLOSED_WITHIN if closed else 1) == closed


def test_a_second_head_that_does_not_end_is_not_waited_for_either(short):
    with _connected(HeadLimits) as client:
        client.sendall(HEAD % 0)
        assert client.recv(1000).endswith(b" 0")
        client.sendall(HEAD[:20])
        assert _is_closed(client, CLOSED_WITHIN)


@pytest.mark.parametrize(("protocol", "refused"), [(HeadLimits, True), (HttpToolsProtocol, False)])
def test_a_head_without_end_is_refused(protocol, refused):
    with _connected(protocol) as client:
        client.sendall(HEAD[:17] + b"A: " + bytes(b"a" * (head_limits.MAX_HEAD + 1)))
        assert _is_closed(client, CLOSED_WITHIN if refused else 1) == refused


def test_requests_within_the_limits_pass_whatever_their_bodies_take(short, monkeypatch):
    monkeypatch.setattr(head_limits, "MAX_HEAD", 200)
    with _connected(HeadLimits) as client:
        for _ in range(2):
            client.sendall(HEAD % 1000 + bytes(500))
            assert not _is_closed(client, 0.5)  # longer than a head may take
            client.sendall(bytes(500))
            assert client.recv(1000).endswith(b" 1000")


@pytest.mark.parametrize(("protocol", "closed"), [(HeadLimits, True), (HttpToolsProtocol, False)])
@pytest.mark.parametrize(("head", "late"), [(HASTY % 1000, b"x"), (HEAD % 0, b"\r\n")])
def test_bytes_behind_an_answer_that_are_no_head_hold_no_connection(short, protocol, closed, head, late):
    with _connected(protocol) as client:
        client.sendall(head)
        assert client.recv(1000).endswith(b" 0")
        client.sendall(late)
        assert _is_closed(client, CLOSED_WITHIN if closed else 2 * KEPT_ALIVE) == closed


def test_a_connection_goes_on_behind_the_rest_of_a_body_that_was_answered_early(monkeypatch):
    monkeypatch.setattr(head_limits, "SECONDS", 1)
    monkeypatch.setattr(head_limits, "MAX_HEAD", 200)
    with _connected(HeadLimits) as client:
        client.sendall(HASTY % 1000)
        assert client.recv(1000).endswith(b" 0")
        for _ in range(2):
            client.sendall(bytes(400))  # more than a head may have
            assert not _is_closed(client, 0.05)
        client.sendall(bytes(200) + HEAD % 4)
        assert not _is_closed(client, 1.3)  # longer than the rest may take, and its timer is gone
        client.sendall(bytes(4))
        assert client.recv(1000).endswith(b" 4")
        client.sendall(HASTY % 1000)
        assert client.recv(1000).endswith(b" 0")
        client.sendall(bytes(1000))
        assert _is_closed(client, CLOSED_WITHIN)  # no head comes behind it


def test_a_head_without_end_is_refused_behind_a_body_that_was_answered_early():
    with _connected(HeadLimits) as client:
        client.sendall(HASTY % 4)
        assert client.recv(1000).endswith(b" 0")
        with contextlib.suppress(ConnectionError):
            client.sendall(bytes(4) + HEAD[:17] + b"A: " + bytes(b"a" * 8 * head_limits.MAX_HEAD))  # in several pieces
        assert _is_closed(client, CLOSED_WITHIN)
