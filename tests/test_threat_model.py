"""What the threat model says that a test shows, a test of that name is there to show."""

import re
from pathlib import Path

import pytest
from django.conf import settings


@pytest.mark.parametrize("document", ["docs/threat-model.md", "docs/security.md"])
def test_the_tests_that_it_names_are_there(document):
    named = set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", Path(settings.BASE_DIR, document).read_text()))
    assert named
    missing = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (path := Path(settings.BASE_DIR, file)).is_file() or f"def {name}(" not in path.read_text()
    ]
    assert missing == []
