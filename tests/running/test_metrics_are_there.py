"""What the example alerts and the dashboard ask for is what /metrics answers, and its numbers are right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from core import broker, gauges, heartbeat, metrics
from core.gauges import Gauge
from core.queue import enqueue
from notifications.gauges import notifications, pushes
from notifications.models import Delivery, Push, PushSource
from operations.gauges import operations
from operations.models import Operation
from sims.gauges import budget, sync
from sims.models import CarrierLink, SyncRun
from sims.services.carrier import get_budget
from sims.tasks import refresh_sim
from smarthub import Lane
from tests.servers import BASE_DIR

DEPLOY = BASE_DIR / "deploy"


def _alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return group["rules"]


def _panels() -> list[dict[str, Any]]:
    return json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]


@pytest.mark.django_db
def test_alerts_and_dashboard_name_what_is_exposed(
    with_carrier: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "PATIENCE", 30)  # of a busy machine; what is late is told of elsewhere
    gauges.forget()
    with with_carrier(SMARTHUB_RATE=10.0):
        text = metrics.exposition().decode()
    gauges.forget()
    exposed: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        exposed |= {family.name + suffix: set() for suffix in suffixes}
    asked = [rule["expr"] for rule in _alerts()]
    asked += [target["expr"] for panel in _panels() for target in panel.get("targets", ())]
    named = {name for expression in asked for name in re.findall(r"\bportal_\w+", expression)}
    assert len(named) > 20
    assert named <= set(exposed)
    ours = {
        name for name in exposed if name.startswith("portal_") and not name.endswith(("_sum", "_count", "_created"))
    }
    assert not ours - named, "nobody looks at these"


@pytest.mark.django_db
def test_alerts_and_dashboard_name_labels_that_there_are(
    with_carrier: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label that a metric does not have is no error to Prometheus: the alert would never fire."""
    monkeypatch.setattr(gauges, "PATIENCE", 30)
    gauges.forget()
    labels = {m._name: set(m._labelnames) for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)}
    with with_carrier(SMARTHUB_RATE=10.0):
        labels |= {family.name: set(family._labelnames) for family in gauges.GaugeCollector().collect()}
    gauges.forget()
    asked = [(rule["expr"], " ".join(rule["annotations"].values())) for rule in _alerts()]
    asked += [(t["expr"], t.get("legendFormat", "")) for panel in _panels() for t in panel.get("targets", ())]
    for expression, text in asked:
        metric = {re.sub("_(total|bucket|sum|count)$", "", n) for n in re.findall(r"\bportal_\w+", expression)}
        for name in metric:
            by = {label.strip() for names in re.findall(r"by \(([^)]*)\)", expression) for label in names.split(",")}
            chosen = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", expression))
            assert by | chosen <= labels[name] | {"le"}, expression
            shown = set(re.findall(r"{{ *(?:\$labels\.)?(\w+) *}}", text)) - {"instance"}
            assert shown <= (by if "by (" in expression else labels[name]), (expression, text)


def test_the_files_are_whole() -> None:
    for rule in _alerts():
        assert {"alert", "expr", "labels", "annotations"} <= rule.keys() <= {*rule.keys(), "for"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
    panels = _panels()
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
    assert len(set(taken)) == len(taken)


def _values(found: Iterable[Gauge]) -> dict[str, Any]:
    return {
        f"{gauge.name}{''.join(f'[{label}]' for label in labels)}": value
        for gauge in found
        for labels, value in gauge.values
    }


@pytest.mark.django_db
def test_the_gauges_tell_how_things_stand_and_read_no_sims(make_sim: Callable[..., Any], agent: Any) -> None:
    now = timezone.now()
    for state, due in [("queued", now - timedelta(minutes=5)), ("queued", None), ("unknown", now)]:
        Operation.objects.create(sim=make_sim(), kind="suspend", state=state, actor=agent, next_attempt_at=due)
    source = PushSource.objects.create(name="carrier", token_digest="d")
    Push.objects.create(source=source, body="{}", next_attempt_at=now - timedelta(seconds=90))
    Push.objects.create(source=source, body="{}", state="done", next_attempt_at=None)
    Delivery.objects.create(channel="email", key="k", body="b", next_attempt_at=now - timedelta(seconds=30))
    SyncRun.objects.create(kind="full", state="done", trigger="schedule", started_at=now - timedelta(hours=2))
    mark = now - timedelta(minutes=1)
    SyncRun.objects.create(kind="changes", state="done", trigger="schedule", started_at=now, watermark=mark)
    CarrierLink.objects.update_or_create(pk=CarrierLink.ONLY, defaults={"failing_since": now - timedelta(seconds=40)})
    with CaptureQueriesContext(
        connection,
    ) as asked:
        found = _values([*operations(), *pushes(), *notifications(), *sync()])
    assert found["portal_operations[queued]"] == 2
    assert found["portal_operations[unknown]"] == 1
    assert found["portal_operations[sending]"] == 0
    assert found["portal_operation_oldest_unsent_seconds"] == pytest.approx(300, abs=30)
    assert found["portal_push_lag_seconds"] == pytest.approx(90, abs=30)
    assert found["portal_pushes_due"] == 1
    assert found["portal_deliveries_waiting[email]"] == 1
    assert found["portal_deliveries_waiting[webhook]"] == 0
    assert found["portal_delivery_lag_seconds[email]"] == pytest.approx(30, abs=25)
    assert found["portal_sync_age_seconds[full]"] == pytest.approx(7200, abs=30)
    assert found["portal_sync_age_seconds[changes]"] == pytest.approx(60, abs=30)
    assert found["portal_carrier_failing_seconds"] == pytest.approx(40, abs=30)
    assert not [query for query in asked.captured_queries if "sims_sim" in query["sql"]]


def test_the_gauges_of_valkey(valkey: Any, with_carrier: Callable[..., Any]) -> None:
    enqueue(refresh_sim, "8986")
    heartbeat.beat(["agent"])
    found = _values(broker.gauges())
    assert (found["portal_queue_length[agent]"], found["portal_queue_length[bulk]"]) == (1, 0)
    assert (found["portal_queue_has_worker[agent]"], found["portal_queue_has_worker[bulk]"]) == (1, 0)
    with with_carrier(SMARTHUB_RATE=2.0):
        get_budget().acquire(Lane.BULK)
        found = _values(budget())
    assert found["portal_budget_calls_last_minute[bulk]"] == 1
    assert found["portal_budget_used_ratio"] == pytest.approx(1 / 120)
    assert found["portal_budget_rate"] == 2


def test_processes_of_several_containers_are_one_sum(tmp_path: Path) -> None:
    """Both are process 1 of their container, and write side by side; a third one answers for all."""
    count = "from core import metrics; metrics.observe_task(task='t', queue='q', outcome='success', seconds=1, wait=2)"
    code = "import os, socket, sys; socket.gethostname = lambda: sys.argv[1]; os.getpid = lambda: 1; {}"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(host: str, what: str) -> str:
        command = [sys.executable, "-c", code.format(what), host]
        return subprocess.run(command, env=environment, cwd=BASE_DIR, check=True, capture_output=True, text=True).stdout

    run("one", f"{count}; {count}")
    run("two", count)
    told = run("three", "from core import metrics; print(metrics.exposition().decode())")
    assert 'portal_tasks_total{outcome="success",queue="q",task="t"} 3.0' in told
    assert 'portal_task_wait_seconds_bucket{le="5.0",queue="q"} 3.0' in told
