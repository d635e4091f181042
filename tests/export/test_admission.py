"""The gate in front of the application; its token is tested with the server, in test_serve.py."""

import asyncio

import pytest
from starlette.responses import JSONResponse

from export.admission import Gate, Limits
from export.service import Numbers, OverloadedError


def test_bodies_of_all_requests_share_a_limit_and_give_it_back():
    release, outcomes, numbers = asyncio.Event(), [], Numbers()

    async def app(scope, receive, send):
        await receive()
        await release.wait()
        await JSONResponse({})(scope, receive, send)

    gate = Gate(app, Limits(max_body=100, timeout=1, max_memory=100), lambda: numbers)

    async def ask(size):
        async def receive():
            return {"type": "http.request", "body": bytes(size), "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                outcomes.append(message["status"])

        await gate({"type": "http", "method": "POST", "path": "/predict", "headers": []}, receive, send)

    async def main():
        first = asyncio.create_task(ask(60))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await ask(41)
        await asyncio.wait_for(asyncio.gather(asyncio.create_task(ask(40)), _set_soon(release), first), 5)
        await ask(100)

    asyncio.run(main())
    assert outcomes == [200, 200, 200]


async def _set_soon(event):
    await asyncio.sleep(0.01)
    event.set()
