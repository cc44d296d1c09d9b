"""A production start refuses what would make it unsafe, in words an operator understands."""

import os
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from smarthub_portal import config
from smarthub_portal.settings_checks import check_addresses
from tests.servers import BASE_DIR

COMPLETE = {
    "PORTAL_MODE": "production",
    "SECRET_KEY": "k" * 60,
    "ALLOWED_HOSTS": "portal.example",
    "DATABASE_URL": "sqlite://:memory:",
    "REDIS_URL": "redis://valkey.example:6379/0",
    "SMARTHUB_BASE_URL": "https://carrier.example/v1",
    "SMARTHUB_API_KEY": "canary-of-the-key",
}


def start(tmp_path, code="django.setup()", **changes):
    """Start Python with the portal's settings, nothing of this process's environment but what is named."""
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "smarthub_portal.settings"}
    environment |= {"DATA_DIR": str(tmp_path)} | COMPLETE | changes
    given = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", f"import django; from django.conf import settings; {code}"],
        cwd=BASE_DIR,
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_complete_environment_starts(tmp_path):
    names = [
        "DEBUG",
        *(f"{cookie}_COOKIE_{part}" for cookie in ("SESSION", "CSRF") for part in ("NAME", "SECURE", "HTTPONLY")),
    ]
    names += ["SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD", "SECURE_SSL_REDIRECT"]
    done = start(tmp_path, f"django.setup(); print(*(getattr(settings, name) for name in {names}))")
    cookies = ["__Host-sessionid", "True", "True", "__Host-csrftoken", "True", "True"]
    assert done.stdout.split() == ["False", *cookies, "31536000", "True", "True", "True"], done.stderr


@pytest.mark.parametrize(
    "missing", ["SECRET_KEY", "ALLOWED_HOSTS", "REDIS_URL", "SMARTHUB_BASE_URL", "SMARTHUB_API_KEY"]
)
def test_a_missing_variable_is_named(tmp_path, missing):
    done = start(tmp_path, **{missing: None})
    assert done.returncode != 0
    assert f"Set {missing} in the environment" in done.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DEBUG": "true"}, "DEBUG is refused"),
        ({"ALLOWED_HOSTS": "portal.example,*"}, "ALLOWED_HOSTS: a wildcard is refused"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY: give 50"),
        ({"SECRET_KEY": "django-insecure-" + "x" * 60}, "SECRET_KEY: give 50"),
        ({"PORTAL_MODE": "prod"}, "PORTAL_MODE is 'prod'"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is 'LOUD'"),
        ({"SMARTHUB_RATE": "many"}, "SMARTHUB_RATE is 'many': that is no float"),
    ],
)
def test_a_dangerous_or_wrong_value_is_refused(tmp_path, changes, said):
    done = start(tmp_path, **changes)
    assert done.returncode != 0
    assert f"ImproperlyConfigured: {said}" in done.stderr
    assert "canary-of-the-key" not in done.stderr


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "EMAIL_URL"])
@pytest.mark.parametrize("address", ["redis://portal:canary/of@server.example:1/0", "canary"])
def test_an_address_that_cannot_be_read_is_refused_without_its_password(monkeypatch, name, address):
    monkeypatch.setenv(name, address)
    with pytest.raises(ImproperlyConfigured, match=f"^{name} is no address") as refused:
        check_addresses(config.load())
    assert "canary" not in str(refused.value)


def test_a_secret_that_begins_with_a_dollar_is_that_secret(monkeypatch):
    """And not the variable of that name, which an error would name."""
    monkeypatch.setenv("SMARTHUB_API_KEY", "$PATH")
    assert config.load()["SMARTHUB_API_KEY"] == "$PATH"


def test_no_mode_is_production(tmp_path):
    done = start(tmp_path, PORTAL_MODE=None, SMARTHUB_API_KEY=None)
    assert "Set SMARTHUB_API_KEY in the environment" in done.stderr


def test_a_demo_left_its_settings_for_manage_py(tmp_path):
    (tmp_path / "demo.env").write_text("PORTAL_MODE=demo\nSECRET_KEY=abc\nSMARTHUB_BASE_URL=http://127.0.0.1:9/v1\n")
    nothing = dict.fromkeys(COMPLETE)
    code = "print(settings.DEMO, settings.CONFIG['SMARTHUB_BASE_URL'], settings.DATABASES['default']['NAME'])"
    done = start(tmp_path, code, **nothing)
    assert done.stdout.split() == ["True", "http://127.0.0.1:9/v1", str(tmp_path / "portal.sqlite3")], done.stderr
    done = start(tmp_path, code, **nothing | {"SMARTHUB_BASE_URL": "http://127.0.0.1:10/v1"})
    assert "http://127.0.0.1:10/v1" in done.stdout


def test_the_address_of_a_database_keeps_its_parameters(tmp_path):
    code = "print(settings.DATABASES['default']['OPTIONS'])"
    done = start(tmp_path, code, DATABASE_URL="postgres://u:p@db.example/portal?sslmode=require")
    assert "'sslmode': 'require'" in done.stdout
    assert "'pool'" in done.stdout


def test_static_files_can_be_collected_with_hashed_names(tmp_path):
    """Every file that a style sheet names is there; production serves nothing else."""
    code = (
        f"settings.STATIC_ROOT = {str(tmp_path)!r}; django.setup(); "
        "from django.core.management import call_command; call_command('collectstatic', interactive=False, verbosity=0)"
    )
    done = start(tmp_path, code)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("css/base.*.css"))
