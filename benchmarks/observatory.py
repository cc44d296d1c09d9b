"""The tests of the Mozilla HTTP Observatory, by its own package, against a start as in production (`make observatory`).

All on loopback. The package scans a host name by http and by https and takes a port in the name, so the portal gets
one port that speaks both: a byte decides whether a connection goes to the granian with TLS or to the one without,
whose answer is the portal's own redirect. The certificate is made here and trusted by the scan alone. The package comes
by npm into a directory that goes with the run. Its lists of preloaded hosts are on public servers: an empty one takes
their place, so nothing is thought to be preloaded.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from demo.processes import dies_with_parent
from tests.servers import BASE_DIR, wait_until
from tests.whole_demo import free_ports

PACKAGE = "@mdn/mdn-http-observatory"
VERSION = "1.4.8"
WANTED = "A+"
SCAN = f'import {{ scan }} from "{PACKAGE}"; console.log(JSON.stringify(await scan(process.argv[1])))'
GRANIAN = "-m granian --interface wsgi --host 127.0.0.1 --no-ws --http 1 smarthub_portal.wsgi:application --port"


def main() -> int:
    """Exit code: 0 with the grade that is wanted."""
    if shutil.which("npm") is None:
        print("make observatory: needs Node.js 20 or newer with npm.")
        return 2
    with tempfile.TemporaryDirectory(prefix="observatory-") as name:
        directory = Path(name)
        fetch(directory)
        certificate = directory / "certificate.pem"
        certify(certificate, directory / "key.pem")
        result = asyncio.run(measure(directory, certificate))
    report(result)
    return 0 if result["scan"]["grade"] == WANTED else 1


def fetch(directory: Path) -> None:
    """Install the package. Its scripts, which would call public servers, do not run."""
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
    subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
    (directory / "node_modules" / PACKAGE / "conf" / "hsts-preload.json").write_text("{}")


def certify(certificate: Path, key_file: Path) -> None:
    """A certificate for ``localhost`` that is its own authority, for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*form))


async def measure(directory: Path, certificate: Path) -> Any:
    """The package's result for the portal behind one port."""
    port, plain, tls = free_ports(3)
    environment = production(directory)
    for command in ("migrate", "collectstatic"):
        subprocess.run(
            [sys.executable, "manage.py", command, "--noinput", "-v0"], cwd=BASE_DIR, env=environment, check=True
        )
    encrypted = ["--ssl-certificate", str(certificate), "--ssl-keyfile", str(directory / "key.pem")]
    with granian(plain, environment), granian(tls, environment, *encrypted):
        for each in (plain, tls):
            await asyncio.to_thread(wait_until, partial(listens, each), seconds=60, what="granian")
        async with await asyncio.start_server(front(plain=plain, tls=tls), "127.0.0.1", port):
            return json.loads(await scan(directory, certificate, f"localhost:{port}"))


def production(directory: Path) -> dict[str, str]:
    """The settings of a production start, invented; nobody listens at the addresses in them."""
    return {
        "PATH": os.environ["PATH"],
        "PORTAL_MODE": "production",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "ALLOWED_HOSTS": "localhost",
        "DATABASE_URL": f"sqlite:///{directory / 'portal.sqlite3'}",
        "DATA_DIR": str(directory),
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "SMARTHUB_BASE_URL": "https://carrier.example/v1",
        "SMARTHUB_API_KEY": "none",
        "LOG_LEVEL": "ERROR",
    }


@contextmanager
def granian(port: int, environment: Mapping[str, str], *more: str) -> Iterator[None]:
    """The portal on a port of its own."""
    command = [sys.executable, *GRANIAN.split(), str(port), "--no-log", *more]
    process = subprocess.Popen(command, cwd=BASE_DIR, env=environment, preexec_fn=dies_with_parent())
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def front(*, plain: int, tls: int) -> Any:
    """What stands at the one port: the first byte of a TLS connection is 22, no request in plain text has it."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1)
        inner, outer = await asyncio.open_connection("127.0.0.1", tls if first == b"\x16" else plain)
        outer.write(first)
        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    return connected


async def scan(directory: Path, certificate: Path, host: str) -> bytes:
    """What the package says of ``host``, as JSON."""
    environment = {"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(certificate)}
    command = ["node", "--input-type=module", "--eval", SCAN, host]
    process = await asyncio.create_subprocess_exec(*command, cwd=directory, env=environment, stdout=subprocess.PIPE)
    said, _ = await process.communicate()
    return said


def report(result: Any) -> None:
    """A line for each test, and the grade."""
    print(f"| test | passed | points | result |\n|{'---|' * 4}")
    for name, test in result["tests"].items():
        print(f"| {name} | {'yes' if test['pass'] else 'no'} | {test['scoreModifier']:+d} | {test['result']} |")
    scan = result["scan"]
    print(
        f"\n{PACKAGE} {VERSION}: {scan['grade']}, {scan['score']} points, "
        f"{scan['testsPassed']} of {scan['testsQuantity']} tests passed"
    )


if __name__ == "__main__":
    sys.exit(main())
