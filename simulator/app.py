"""Puts the carrier together and runs what goes on in the background."""

import threading
from typing import TextIO

from flask import Flask, Response

from simulator.api import Gate, build_api, endpoints
from simulator.changes import Changes
from simulator.control import Control, build_control
from simulator.faults import Faults
from simulator.jobs import Jobs
from simulator.life import Life
from simulator.messages import Messages
from simulator.pushes import Outbox
from simulator.reports import Reports
from simulator.rules import SimCalls
from simulator.server import Server
from simulator.state import Carrier, Settings

TICK_SECONDS = 0.2


class Simulator:
    """A whole simulated carrier, ready to be served."""

    def __init__(self, settings: Settings) -> None:
        self.carrier = Carrier(settings)
        self.faults = Faults(settings.seed)
        self.outbox = Outbox(self.carrier)
        changes = Changes(self.carrier, self.outbox)
        self.carrier.on_settle.append(changes.turn_cycle)
        sims = SimCalls(self.carrier, changes)
        jobs = Jobs(self.carrier, sims)
        messages = Messages(self.carrier, changes, self.outbox)
        life = Life(self.carrier, changes, self.outbox)
        gate = Gate(self.carrier, self.faults)
        table = endpoints(sims, jobs, messages, Reports(self.carrier))
        self.app: Flask = build_api(gate, table)
        self.app.before_request(self._refuse_at_the_end)
        control = Control(self.carrier, changes, self.faults, self.outbox, jobs, messages, life)
        self.app.register_blueprint(build_control(control, gate))

    def serve(self, host: str, port: int, errors: TextIO) -> Server:
        """Bind, start the background and give the server, which the caller runs. OSError when the port is taken."""
        server = Server(host, port, self.app.wsgi_app, errors)
        self.outbox.start()
        threading.Thread(target=self._tick, name="clock", daemon=True).start()
        return server

    def _refuse_at_the_end(self) -> Response | None:
        """No call is begun while everything is being closed."""
        return Response(status=503) if self.faults.ended.is_set() else None

    def _tick(self) -> None:
        """Jobs, messages and cycles go on also when nobody calls."""
        while not self.faults.ended.wait(TICK_SECONDS):
            with self.carrier.lock:
                if not self.faults.ended.is_set():
                    self.carrier.settle()
                    self.carrier.commit()

    def close(self) -> None:
        """End the background and write everything down."""
        self.faults.ended.set()
        self.outbox.stop()
        with self.carrier.lock:
            self.carrier.closed = True
            self.carrier.store.close()
