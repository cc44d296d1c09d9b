"""What the demo is told by its environment, checked before anything starts."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BASE_DIR = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
SIMULATOR_KEY = "simulator-key"
LARGEST_PORT = 65535


class Refused(Exception):
    """The demo can't start; the message says why and what to do."""


@dataclass(frozen=True)
class Options:
    """One demo: where its data is, where it listens, which carrier it works on."""

    data_dir: Path
    port: int
    simulator_port: int
    fleet: int
    base_url: str
    """The other carrier's address; empty for the simulator."""
    api_key: str

    @property
    def simulated(self) -> bool:
        """Whether the demo brings its own carrier."""
        return not self.base_url

    @property
    def carrier_url(self) -> str:
        """The address that the portal calls."""
        return self.base_url or f"http://{HOST}:{self.simulator_port}/v1"

    @property
    def portal_url(self) -> str:
        """The address that a browser opens."""
        return f"http://{HOST}:{self.port}/"

    @property
    def logs(self) -> Path:
        """Directory of the processes' logs."""
        return self.data_dir / "logs"


def read_options(environ: Mapping[str, str]) -> Options:
    """Options from ``environ``; an empty variable counts as not set. Raises :class:`Refused`."""
    data_dir = Path(environ.get("DATA_DIR") or "var").expanduser()
    base_url = environ.get("SMARTHUB_BASE_URL", "").strip()
    api_key = environ.get("SMARTHUB_API_KEY", "").strip()
    if base_url and not base_url.startswith(("http://", "https://")):
        raise Refused(f"SMARTHUB_BASE_URL is {base_url!r}: it starts with https:// or http://.")
    if base_url and not api_key:
        raise Refused("SMARTHUB_BASE_URL needs SMARTHUB_API_KEY beside it.")
    options = Options(
        data_dir=data_dir if data_dir.is_absolute() else BASE_DIR / data_dir,
        port=_number(environ, "PORT", 8000, LARGEST_PORT),
        simulator_port=_number(environ, "SIMULATOR_PORT", 9000, LARGEST_PORT),
        fleet=_number(environ, "FLEET", 2000, 10_000_000),
        base_url=base_url,
        api_key=api_key or SIMULATOR_KEY,
    )
    if options.simulated and options.port == options.simulator_port:
        raise Refused(f"PORT and SIMULATOR_PORT are both {options.port}: give one of them another number.")
    return options


def _number(environ: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= largest):
        raise Refused(f"{name} is {text!r}: give a whole number from 1 to {largest}.")
    return int(text)


def check_ports(options: Options) -> None:
    """Raise :class:`Refused` where a port of the demo is taken."""
    ports = {"PORT": options.port}
    if options.simulated:
        ports["SIMULATOR_PORT"] = options.simulator_port
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except PermissionError:
                raise Refused(f"Port {port} needs more rights than you have: try make demo {name}=8080.") from None
            except OSError:
                raise Refused(
                    f"Port {port} is taken by another program: end it, or give another one, "
                    f"for example make demo {name}={port + 1 if port < LARGEST_PORT else 8000}."
                ) from None


def take_data_dir(options: Options) -> IO[str]:
    """Make the data directory, private to the user, and lock it as long as the answered file is open.

    Raises :class:`Refused` when another demo runs on it, or when it holds another simulated fleet.
    """
    try:
        options.logs.mkdir(parents=True, exist_ok=True)
        options.data_dir.chmod(0o700)
        lock = (options.data_dir / "demo.lock").open("a+")
    except OSError as error:
        raise Refused(f"DATA_DIR {options.data_dir} can't be used: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise Refused(
            f"Another demo (process {holder}) runs on DATA_DIR {options.data_dir}: "
            f"end it, or give another directory and port, for example make demo DATA_DIR=var2 PORT=8001 "
            f"SIMULATOR_PORT=9001."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    if options.simulated:
        _check_fleet(options)
    return lock


def _check_fleet(options: Options) -> None:
    kept = options.data_dir / "demo.json"
    if kept.exists():
        fleet = json.loads(kept.read_text())["fleet"]
        if fleet != options.fleet:
            raise Refused(
                f"DATA_DIR {options.data_dir} holds a demo of FLEET={fleet}, not {options.fleet}: start it with "
                f"make demo FLEET={fleet}, give another DATA_DIR, or remove that directory to start anew."
            )
    kept.write_text(json.dumps({"fleet": options.fleet}))


def write_environment_file(options: Options) -> None:
    """Write ``demo.env``, from which ``manage.py`` knows the demo. The key of a real carrier is never in it."""
    path = options.data_dir / "demo.env"
    lines = {"PORTAL_MODE": "demo", "SECRET_KEY": _kept_secret(options.data_dir / "secret-key", 50)}
    lines["PORTAL_URL"] = options.portal_url
    if options.simulated:
        lines["SMARTHUB_BASE_URL"] = options.carrier_url
        if options.api_key == SIMULATOR_KEY:
            lines["SMARTHUB_API_KEY"] = SIMULATOR_KEY
    path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def push_token(options: Options) -> str:
    """The token in the demo's push address: made once, kept in a file that only the user can read."""
    return _kept_secret(options.data_dir / "push-token", 32)


def _kept_secret(path: Path, random_bytes: int) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(random_bytes))
    return path.read_text()
