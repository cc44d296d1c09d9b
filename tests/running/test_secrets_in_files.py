"""Each secret may lie in a file: docker's and systemd's way."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from smarthub_portal import config

SECRETS = {option.name for option in config.OPTIONS if option.secret}


def test_what_names_itself_a_secret_is_one() -> None:
    """An option with such a name that is none in the table would end up on a command line."""
    looks = {o.name for o in config.OPTIONS if o.name.endswith(("_KEY", "_KEYS", "_TOKEN", "_DSN", "_SECRET"))}
    assert looks | {"DATABASE_URL", "REDIS_URL", "EMAIL_URL"} <= SECRETS


def test_a_secret_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_text("of-the-file\n")
    keys = tmp_path / "keys"
    keys.write_text("new,old\n")
    monkeypatch.delenv("SMARTHUB_API_KEY", raising=False)
    monkeypatch.setenv("SMARTHUB_API_KEY_FILE", str(key))
    monkeypatch.setenv("ENCRYPTION_KEYS_FILE", str(keys))
    loaded = config.load()
    assert loaded["SMARTHUB_API_KEY"] == "of-the-file"
    assert loaded["ENCRYPTION_KEYS"] == ["new", "old"]


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_both_ways_at_once_are_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("canary-of-the-file")
    with pytest.raises(ImproperlyConfigured, match=f"^{name} and {name}_FILE are both set") as refused:
        config.from_files({name: "canary-of-the-environment", f"{name}_FILE": str(file)})
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("contents", "said"), [(None, "No such file"), (b"\xff\xfe", "holds no text"), (b" \n", "is empty")]
)
def test_a_file_that_is_of_no_use_is_named(tmp_path: Path, contents: bytes | None, said: str) -> None:
    file = tmp_path / "file"
    if contents is not None:
        file.write_bytes(contents)
    with pytest.raises(ImproperlyConfigured, match=rf"SECRET_KEY_FILE names .*{said}"):
        config.from_files({"SECRET_KEY_FILE": str(file)})


def test_other_options_have_no_such_variant() -> None:
    assert config.from_files({"ALLOWED_HOSTS_FILE": "/nowhere"}) == {}
