"""`qlit serve`: a checkpoint behind an HTTP server."""

from qlit.commands.parsers.serve import parser_of
from qlit.jobs.terminal import quieten
from qlit.runtime.retry import say
from qlit.serving.limits import Limits
from qlit.serving.predictor import Predictor
from qlit.serving.server import listen, make_app, serve

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit serve` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    quieten()
    limits = Limits(options.max_sentences, options.max_chars, options.max_waiting)
    with listen(options.host, options.port) as listener:
        predictor = Predictor.from_checkpoint(
            options.checkpoint,
            body=options.body,
            trust_remote_code=options.trust_remote_code,
            device=options.device,
            seed=options.seed,
            exact=options.exact,
        )
        first = "The first sentence takes longest."
        predictor.predict([(first, first)] if predictor.are_pairs else [first])
        host, port = listener.getsockname()[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if (notice := predictor.sampling_notice) is not None:
            say(notice.text)
        if options.host not in _LOOPBACK:
            say(f"anybody who can reach {address} can use this server: it has neither passwords nor encryption.")
        print(f"serving {', '.join(predictor.label_names)} on http://{address}", flush=True)
        serve(make_app(predictor, limits), listener)
    return 0
