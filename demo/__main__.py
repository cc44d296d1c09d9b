"""``make demo``: the whole portal on one machine, with a simulated carrier, in the foreground.

Everything listens on loopback or on a socket in the data directory and ends with this process.
"""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from demo.options import (
    HOST,
    Options,
    Refused,
    check_ports,
    push_token,
    read_options,
    take_data_dir,
    write_environment_file,
)
from demo.prepare import PASSWORD, USERS
from demo.processes import die_with_parent
from demo.supervisor import LEVELS, ProcessFailed, Service, Stopped, Supervisor, python
from smarthub_portal.embedded import valkey_command, valkey_socket

READY_SECONDS = 90.0


def main() -> int:
    """Run the demo until somebody ends it; 1 when it could not start."""
    began = time.monotonic()
    os.umask(0o077)
    if "MAKELEVEL" in os.environ:
        die_with_parent(15)  # a make that is killed too hard to pass its signal on
    try:
        options = read_options(os.environ)
        lock = take_data_dir(options)
        check_ports(options)
    except Refused as refusal:
        print(f"The demo can't start. {refusal}", file=sys.stderr)
        return 1
    token = push_token(options)
    write_environment_file(options)
    level = os.environ.get("LOG_LEVEL", "warning").lower()
    supervisor = Supervisor(
        environment=environment(options, token), logs=options.logs, level=level if level in LEVELS else "warning"
    )
    try:
        with supervisor:
            start(supervisor, options, token, began)
            while True:
                supervisor.turn()
    except Stopped:
        return 0
    except ProcessFailed as failure:
        print(f"The demo can't start. {failure}", file=sys.stderr)
        return 1
    finally:
        supervisor.say("The demo has ended; its data stays for the next start.")
        lock.close()


def environment(options: Options, token: str) -> dict[str, str]:
    """What the demo's processes find in their environment."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GRANIAN_", "MAKE", "MFLAGS"))}
    return {
        **own,
        "PORTAL_MODE": "demo",
        "DJANGO_SETTINGS_MODULE": "smarthub_portal.settings",
        "DATA_DIR": str(options.data_dir),
        "SMARTHUB_BASE_URL": options.carrier_url,
        "SMARTHUB_API_KEY": options.api_key,
        "DEMO_PUSH_TOKEN": token,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics_directory(options)),
    }


def metrics_directory(options: Options) -> Path:
    """Where the processes keep what they count, so that ``/metrics`` tells of the workers, too; empty at the start."""
    directory = options.data_dir / "metrics"
    directory.mkdir(mode=0o700, exist_ok=True)
    for old in directory.glob("*.db"):
        old.unlink()
    return directory


def start(supervisor: Supervisor, options: Options, token: str, began: float) -> None:
    """Start everything, say where it is, and begin the first sync."""
    supervisor.say("Starting …")
    socket = valkey_socket(options.data_dir)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    supervisor.start(Service("valkey", valkey_command(socket, options.data_dir), shows="nothing"))
    push_url = f"{options.portal_url}webhooks/smarthub/{token}/"
    if options.simulated:
        supervisor.start(simulator(options, push_url))
    prepared = options.logs / "prepare.log"
    prepared.unlink(missing_ok=True)
    supervisor.run(Service("prepare", python("-m", "demo.prepare"), restart="never"))
    supervisor.wait_for(socket.exists, seconds=READY_SECONDS, name="valkey")
    for service in portal(options):
        supervisor.start(service)
    if options.simulated:
        supervisor.wait_for(
            lambda: _answers(f"http://{HOST}:{options.simulator_port}/_simulator/ready"),
            seconds=READY_SECONDS,
            name="simulator",
        )
    supervisor.wait_for(lambda: _answers(f"{options.portal_url}healthz"), seconds=READY_SECONDS, name="web")
    supervisor.say(greeting(options, push_url, time.monotonic() - began))
    if not _says_synced(prepared):
        supervisor.start(first_sync(options))


def simulator(options: Options, push_url: str) -> Service:
    """The simulated carrier; it remembers what was done to it in the data directory."""
    arguments = {
        "--host": HOST,
        "--port": str(options.simulator_port),
        "--fleet": str(options.fleet),
        "--api-key": options.api_key,
        "--push-url": push_url,
        "--state": str(options.data_dir / "simulator.sqlite3"),
    }
    flat = [part for pair in arguments.items() for part in pair]
    return Service("simulator", python("-m", "simulator", *flat))


def first_sync(options: Options) -> Service:
    """The first walk; the past of what it found is known of the simulator alone."""
    walk = (
        python("-m", "demo.first_sync", str(options.fleet))
        if options.simulated
        else python("manage.py", "sync", "--full")
    )
    return Service("sync", walk, restart="until_done", shows="all")


def portal(options: Options) -> list[Service]:
    """The portal's own processes: web, a worker for what people wait for, one for the long work, the clock."""
    web = f"--interface wsgi --host {HOST} --port {options.port} --workers 1 --blocking-threads 8 --log-level error"
    web += " --no-ws --http1-buffer-size 131072 --workers-kill-timeout 3"
    worker = "worker --pool threads --without-gossip --without-mingle --loglevel INFO"
    return [
        Service("web", python("-m", "granian", *web.split(), "demo.wsgi:application")),
        Service("agent", celery(*worker.split(), "-n", "agent@%h", "-Q", "agent,push", "-c", "4")),
        Service("bulk", celery(*worker.split(), "-n", "bulk@%h", "-Q", "bulk,sync,deliver", "-c", "6")),
        Service("beat", celery("beat", "--pidfile=", "--schedule", str(options.data_dir / "beat-schedule"))),
    ]


def celery(*arguments: str) -> list[str]:
    """A command of the portal's Celery."""
    return python("-m", "celery", "-A", "smarthub_portal", "--quiet", *arguments)


def greeting(options: Options, push_url: str, seconds: float) -> str:
    """The lines that tell where everything is and how to get in."""
    carrier = f"simulator with {options.fleet:,} SIMs, " if options.simulated else ""
    names = ", ".join(
        f"{name} ({role}{' of ' + ', '.join(accounts) if accounts else ''})" for name, (role, accounts) in USERS.items()
    )
    return (
        f"\nSmartHub Portal is ready after {seconds:.1f} s.\n\n"
        f"  Address   {options.portal_url}\n"
        f"  Sign in   {names}\n"
        f"  Password  {PASSWORD}\n"
        f"  Pushes    {push_url}\n"
        f"  Carrier   {carrier}{options.carrier_url}\n"
        f"  Logs      {options.logs}\n\n"
        "Ctrl-C ends it; the data stays for the next start.\n"
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - an address of the demo's own
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _says_synced(log: Path) -> bool:
    return "synced" in log.read_text().split()


if __name__ == "__main__":
    sys.exit(main())
