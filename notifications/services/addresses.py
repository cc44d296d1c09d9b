"""Where an outgoing webhook may go: no address by which somebody could reach what only the portal can reach.

A URL is checked as it is written (:func:`check_url`), then its host is resolved once and every address that comes
back is checked (:func:`resolve`). The caller connects to one of exactly these addresses and asks no resolver again,
so that a name can't lead elsewhere between the check and the connection.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

Address = IPv4Address | IPv6Address

LONGEST_URL = 500

_NAT64 = (IPv6Network("64:ff9b::/96"),)
_V4_COMPATIBLE = IPv6Network("::/96")
# Global by the registry, or by this Python's copy of it, and yet nobody's receiver.
_NEVER = (
    IPv4Network("0.0.0.0/8"),  # this very machine, on some systems
    IPv4Network("168.63.129.16/32"),  # a cloud's own metadata and control address, though a public one
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv6Network("64:ff9b:1::/48"),  # NAT64 of a private prefix
    IPv6Network("fec0::/10"),  # site-local, given up
    IPv6Network("3fff::/20"),  # for documentation
    IPv6Network("5f00::/16"),  # within a network that routes by segments
    IPv6Network("fd00:ec2::254/128"),  # a cloud's metadata service
)
_METADATA = (IPv4Network("169.254.0.0/16"), IPv4Network("100.100.100.200/32"), IPv4Network("192.0.0.192/32"))
_NUMBER = re.compile(r"[0-9]+\Z|0x[0-9a-f]*\Z")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?\.?\Z|[a-z0-9]\Z")


class Forbidden(Exception):
    """An address that the portal does not send to; the text says why, for people."""


class Unresolvable(Exception):
    """The name has no address, now; worth another try."""


@dataclass(frozen=True)
class Target:
    """A checked URL in parts. ``host`` is the name as it goes into DNS, TLS and the ``Host`` header."""

    scheme: str
    host: str
    port: int
    path: str
    """With the query string, quoted."""

    @property
    def host_header(self) -> str:
        """The host, with the port where it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _port_of(self.scheme) else f"{name}:{self.port}"


def check_url(url: str) -> Target:
    """``url`` in parts, when it is one that the portal sends to as far as can be told without asking for its host.

    Raises :class:`Forbidden`.
    """
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url or "\\" in url:
        raise Forbidden(_("This is no address."))
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Forbidden(_("This is no address.")) from None
    if parts.scheme not in ("https", "http"):
        raise Forbidden(_("The address begins with https://."))
    if parts.scheme == "http" and not settings.CONFIG["FORWARD_ALLOW_HTTP"]:
        raise Forbidden(_("The address begins with https://: what is sent must not be read on its way."))
    if "@" in parts.netloc:
        raise Forbidden(_("The address must not hold a user name or password."))
    if parts.fragment:
        raise Forbidden(_("The address must not hold a part after “#”: no server gets it."))
    target = Target(parts.scheme, _host(host), _port_of(parts.scheme) if port is None else port, _path(parts))
    _check_port(target.port)
    literal = _literal(target.host)
    if literal is not None:
        _check_address(literal)
    return target


def resolve(target: Target) -> list[Address]:
    """The addresses of the target's host, asked for once, all of them fit to be connected to.

    Raises :class:`Forbidden` when any of them is not, :class:`Unresolvable` when there is none.
    """
    try:
        answers = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        text = _("The host %(host)s has no address: %(error)s") % {"host": target.host, "error": error}
        raise Unresolvable(text) from None
    addresses = list(dict.fromkeys(_parsed(str(answer[4][0])) for answer in answers))
    if not addresses:
        raise Unresolvable(_("The host %(host)s has no address.") % {"host": target.host})
    for address in addresses:
        _check_address(address)
    return addresses


def is_allowed(address: Address) -> bool:
    """Whether the portal may connect to ``address``, by its own kind and that of the IPv4 address it may carry."""
    inner = _carried(address)
    if inner is not None:
        return is_allowed(inner)
    if any(address in network for network in (*_NEVER, *_METADATA) if network.version == address.version):
        return False
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False
    if address.is_global:
        return not address.is_reserved
    if not settings.CONFIG["FORWARD_ALLOW_PRIVATE"]:
        return False
    return address.is_loopback or (address.is_private and not address.is_reserved) or _is_shared(address)


def _carried(address: Address) -> Address | None:
    """The IPv4 address inside an IPv6 one that leads to it: mapped, compatible, 6to4, NAT64, Teredo."""
    if not isinstance(address, IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        # A tunnel through a third party: nobody's receiver, whatever it carries.
        return IPv4Address("0.0.0.0")  # noqa: S104 - never bound to; an address that is refused
    if any(address in network for network in _NAT64) or (address in _V4_COMPATIBLE and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _is_shared(address: Address) -> bool:
    return address.version == 4 and address in IPv4Network("100.64.0.0/10")


def _check_address(address: Address) -> None:
    if not is_allowed(address):
        raise Forbidden(_("The address leads to %(address)s, which is not a public one.") % {"address": address})


def _check_port(port: int) -> None:
    allowed: list[str] = settings.CONFIG["FORWARD_PORTS"]
    if not 0 < port <= 65535 or ("any" not in allowed and str(port) not in allowed):
        raise Forbidden(_("Port %(port)s is not one of those that webhooks may go to.") % {"port": port})


def _host(host: str) -> str:
    """``host`` in ASCII; IPv6 without brackets."""
    if not host:
        raise Forbidden(_("The address names no host."))
    if _literal(host) is not None and "%" not in host:
        return host
    try:
        name = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise Forbidden(_("The address names no host.")) from None
    if not _HOST.match(name):
        raise Forbidden(_("The address names no host."))
    # Some resolvers read 2130706433, 0x7f.1 and 127.0.0.1. as IPv4 addresses: the one spelling will do.
    last = name.rstrip(".").rpartition(".")[2]
    if _NUMBER.match(last) and _literal(name) is None:
        raise Forbidden(_("The address names no host."))
    if last == "localhost":
        _check_address(IPv4Address("127.0.0.1"))
    return name


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _parsed(text: str) -> Address:
    # A link-local answer comes with its interface behind a percent sign.
    return ip_address(text.split("%", 1)[0])


def _port_of(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _path(parts: object) -> str:
    path = quote(getattr(parts, "path", "") or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(getattr(parts, "query", ""), safe="/%:@!$&'()*+,;=~-._?")
    return f"{path}?{query}" if query else path
