"""``python -m simulator``: serve a simulated carrier until SIGTERM or SIGINT."""

import argparse
import os
import signal
import sqlite3
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

from simulator.app import Simulator
from simulator.state import Settings
from simulator.store import StateMismatch

MAX_FLEET = 10_000_000


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _size(text: str) -> int:
    value = int(text)
    if not 1 <= value <= MAX_FLEET:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MAX_FLEET:,}")
    return value


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError("must be an http or https address")
    return text


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m simulator", description="A SmartHub carrier to work against")
    result.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    result.add_argument("--port", type=int, default=9000, help="0 picks a free one")
    result.add_argument("--fleet", type=_size, default=2000, help="number of SIMs")
    result.add_argument("--seed", type=int, default=1, help="another seed is another fleet")
    result.add_argument(
        "--api-key",
        default=os.environ.get("SIMULATOR_API_KEY", "simulator-key"),
        help="the key clients have to send (default: $SIMULATOR_API_KEY, else simulator-key)",
    )
    result.add_argument("--push-url", type=_address, help="base of the push addresses, with the source's token")
    result.add_argument(
        "--push-secret",
        default=os.environ.get("SIMULATOR_PUSH_SECRET"),
        help="signs pushes (default: $SIMULATOR_PUSH_SECRET)",
    )
    result.add_argument("--speed", type=_positive, default=1.0, help="60 makes an hour a minute")
    result.add_argument("--state", help="SQLite file that keeps all changes over restarts")
    result.add_argument("--page-size-max", type=_size, default=100, help="largest page answered")
    result.add_argument("--batch-max", type=_size, default=1000, help="most SIMs in a batch job")
    result.add_argument(
        "--events-per-hour", type=float, default=60.0, help="events of the networks in an hour of simulated time"
    )
    result.add_argument("--mo-sms", action="store_true", help="devices send messages from time to time")
    return result


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; 2 when it cannot start."""
    options = vars(parser().parse_args(arguments))
    host, port = options.pop("host"), options.pop("port")
    try:
        simulator = Simulator(Settings(**options))
        server = simulator.serve(host, port, sys.stderr)
    except (StateMismatch, sqlite3.Error) as error:
        print(f"simulator: cannot use the state file {options['state']}: {error}", file=sys.stderr)
        return 2
    except (OSError, OverflowError) as error:
        print(f"simulator: cannot listen on {host}:{port}: {error}", file=sys.stderr)
        return 2

    def end(number: int, frame: Any) -> None:
        # shutdown() waits for serve_forever(), which runs in this very thread.
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"simulator ready on http://{host}:{server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    simulator.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
