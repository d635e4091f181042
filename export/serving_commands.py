"""The console commands that bring a model to others, over HTTP and in a browser: their flags, and nothing heavy."""

import dataclasses
import importlib.util
import logging
import pathlib

from export.packaged import DEFAULT, MODEL_KINDS, model_path
from gender_tfds.command_line import Command
from gender_tfds.field_flags import setting
from gender_tfds.pixel_limit import MAX_PIXELS, MOST_PIXELS, limit_pixels
from gender_tfds.user_error import UserError

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServePolicy:
    """What to serve, where, and within which limits."""

    model: str = setting(DEFAULT, MODEL_KINDS)
    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 is every one of this machine")
    port: int = setting(8000, "port to listen on; 0 is any free one", lower=0, upper=65535)
    workers: int = setting(1, "processes that serve, each with a model and a queue of its own", lower=1, upper=256)
    max_batch_size: int = setting(32, "pictures that are scored at once", lower=1, upper=1024)
    max_latency_ms: float = setting(2.0, "milliseconds that a picture waits for others", lower=0, upper=1000)
    max_queue: int = setting(256, "pictures that a worker admits before it answers; over it, status 503", lower=1)
    max_body: int = setting(20_000_000, "bytes of a request; over it, status 413", lower=1)
    max_memory: int = setting(
        256_000_000, "bytes of the bodies of all requests that a worker has not answered; over it, status 503", lower=1
    )
    max_pixels: int = setting(
        MAX_PIXELS, "pixels of a picture; over it, status 422 before it is decoded", lower=1, upper=MOST_PIXELS
    )
    timeout: float = setting(30.0, "seconds for a request's body to come; over it, status 408", lower=0.1)
    grace_seconds: int = setting(30, "seconds after SIGTERM for what was begun to be finished", lower=0)
    web_dir: str | None = setting(None, "folder that `make web` made, shown at /; /docs is shown there if left out")
    token_file: str | None = setting(
        None, "a file with a token that every request must bear; none is needed if left out"
    )


def _serve(policy: ServePolicy) -> None:
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("fastapi") is None:
        raise UserError(
            'FastAPI and uvicorn are not installed; install them with pip install "gender-classifier[serve]"'
        )
    if policy.max_body > policy.max_memory:
        raise UserError(
            f"--max_body={policy.max_body} is over --max_memory={policy.max_memory}: none so large would fit"
        )
    limit_pixels(policy.max_pixels)
    from export.serve_process import ServerOptions, serve

    try:
        token = pathlib.Path(policy.token_file).read_text(encoding="utf-8").strip() if policy.token_file else None
    except (OSError, ValueError) as error:
        raise UserError(f"--token_file={policy.token_file} can't be read ({error}); give a file of text") from error
    if policy.web_dir and not (pathlib.Path(policy.web_dir) / "index.html").is_file():
        raise UserError(f"--web_dir={policy.web_dir} holds no index.html; give the folder that `make web` made")
    if token == "":
        raise UserError(f"--token_file={policy.token_file} is empty; write a token into it")
    options = ServerOptions(
        token=token,
        model=str(model_path(policy.model)),
        **{
            field.name: getattr(policy, field.name)
            for field in dataclasses.fields(ServerOptions)
            if field.name not in ("token", "model")
        },
    )
    serve(options, policy.host, policy.port, policy.workers)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebPolicy:
    """What the web page is made of, and where it goes."""

    node_modules: str = setting(dataclasses.MISSING, "folder that `npm ci` makes of export/web/package-lock.json")
    output_dir: str = setting(dataclasses.MISSING, "folder that becomes the page; a page that is there is replaced")
    model: str = setting(DEFAULT, "name of a packaged model, or a .tflite file")


def _web(policy: WebPolicy) -> None:
    from export.web_page import assemble

    assemble(policy.node_modules, model_path(policy.model), policy.output_dir)
    log.info("The page is in %s; look at it: python3 -m http.server -d %s", policy.output_dir, policy.output_dir)


SERVE = Command(
    name="gender-serve",
    summary="answer pictures over HTTP, in batches; its own interface, TensorFlow Serving's and KServe's",
    example="gender-serve --port=8000",
    settings=(ServePolicy,),
    main=_serve,
)
WEB = Command(
    name="gender-web",
    summary="assemble the page that scores pictures in the browser, as a folder for any static server",
    example="gender-web --node_modules=build/web_modules/node_modules --output_dir=build/web",
    settings=(WebPolicy,),
    main=_web,
)
serve, web = SERVE.run, WEB.run
