"""Starting a real server on a real socket, and stopping it."""

import contextlib
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import requests

CODE = "import sys; from export.serving_commands import serve\nif __name__ == '__main__': sys.exit(serve())"
ROOT = pathlib.Path(__file__).parents[2]


class Server:
    """A running gender-serve.

    Attributes:
      url: of it.
      lines: what it wrote to stderr so far.
    """

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process
        self.lines: list[str] = []
        self._coming: queue.Queue[str | None] = queue.Queue()
        # somebody must read at all times: a full pipe would stop the server
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = re.search(r"on (http://\S+) with", self.read_until("Serving "))[1]

    @property
    def pid(self) -> int:
        return self._process.pid

    def read_until(self, text: str) -> str:
        """Returns the next line with a text in it."""
        while (line := self._coming.get(timeout=60)) is not None:
            if text in line:
                return line
        raise RuntimeError("".join(self.lines))

    def signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def stop(self) -> int:
        """Ends it with SIGTERM if it runs, and returns its exit status."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        status = self._process.wait(60)
        self._reader.join(10)
        return status

    def _read(self) -> None:
        for line in self._process.stderr:
            self.lines.append(line)
            self._coming.put(line)
        self._coming.put(None)


@contextlib.contextmanager
def running(*flags: str) -> Iterator[Server]:
    """Runs gender-serve on a free port with these flags."""
    command = [sys.executable, "-c", CODE, "--port=0", *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield Server(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()


class Session(requests.Session):
    """Waits for no answer longer than a minute."""

    def request(self, *arguments: object, **options: object) -> requests.Response:
        return super().request(*arguments, **{"timeout": 60, **options})
