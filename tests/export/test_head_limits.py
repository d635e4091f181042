"""Heads that do not come, or do not end, on a real socket; beside each what uvicorn alone does with it."""

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


async def _app(scope, receive, send):
    size = 0
    while (message := await receive())["type"] == "http.request":
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
        server = uvicorn.Server(uvicorn.Config(_app, http=protocol, log_config=None, lifespan="off"))
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
