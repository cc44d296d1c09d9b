"""What a browser says it is, in a few words for its owner. It is not to be relied on: anybody can say anything."""

from __future__ import annotations

from django.utils.translation import gettext as _

# The first that is found: each of these also says it is one of those below it.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device_name(agent: str) -> str:
    """Such as "Firefox on Windows", from the header ``User-Agent``."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or agent.split("/")[0][:40] or _("Unknown")


def is_handheld(agent: str) -> bool:
    """Whether it looks like a phone or tablet."""
    return any(mark in agent for mark in ("iPhone", "iPad", "Android", "Mobile"))
