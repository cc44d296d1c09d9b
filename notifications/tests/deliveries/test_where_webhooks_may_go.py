"""No outgoing webhook reaches what only the portal can reach."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core.exceptions import ValidationError

from notifications.services import forwards, posting
from notifications.services.addresses import Forbidden, check_url, is_allowed, resolve
from notifications.tests.deliveries.receivers import Receiver, serve

BODY = b'{"a":1}'


@pytest.fixture
def config(monkeypatch):
    def change(**values):
        for name, value in values.items():
            monkeypatch.setitem(settings.CONFIG, name, value)

    return change


@pytest.mark.parametrize(
    ("address", "public", "with_setting"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1:248:1893:25c8:1946", True, True),
        ("127.0.0.1", False, True),
        ("127.9.9.9", False, True),
        ("::1", False, True),
        ("10.1.2.3", False, True),
        ("172.16.0.1", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("fd12:3456::1", False, True),
        ("169.254.169.254", False, False),
        ("169.254.1.1", False, False),
        ("fe80::1", False, False),
        ("100.100.100.200", False, False),
        ("168.63.129.16", False, False),
        ("192.0.0.192", False, False),
        ("fd00:ec2::254", False, False),
        ("0.0.0.0", False, False),
        ("0.1.2.3", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("239.1.1.1", False, False),
        ("ff02::1", False, False),
        ("240.0.0.1", False, False),
        ("255.255.255.255", False, False),
        ("192.88.99.1", False, False),
        ("fec0::1", False, False),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:169.254.169.254", False, False),
        ("::ffff:93.184.216.34", True, True),
        ("::127.0.0.1", False, True),
        ("2002:7f00:1::", False, True),
        ("2002:a9fe:a9fe::1", False, False),
        ("64:ff9b::7f00:1", False, True),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("64:ff9b:1::7f00:1", False, False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False, False),
        ("::ffff:0:7f00:1", False, False),
        ("2001:db8::1", False, True),
        ("3fff::1", False, False),
        ("5f00::1", False, False),
    ],
)
def test_which_addresses_are_connected_to(config, address, public, with_setting):
    assert is_allowed(ip_address(address)) is public
    config(FORWARD_ALLOW_PRIVATE=True)
    assert is_allowed(ip_address(address)) is with_setting


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "gopher://hooks.example/",
        "//hooks.example/",
        "https://",
        "https:///path",
        "https://user@hooks.example/",
        "https://user:password@hooks.example/",
        "https://hooks.example@127.0.0.1/",
        "https://hooks.example/#part",
        "https://hooks.example:0/",
        "https://hooks.example:70000/",
        "https://hooks.example:x/",
        "https://hooks .example/",
        "https://hooks.example/\r\nX: 1",
        "https://hooks.example\\@127.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://a..b/",
        "https://hooks.example/" + "x" * 500,
    ],
)
def test_unusable_addresses_are_refused_as_they_are_written(url):
    with pytest.raises(Forbidden):
        check_url(url)


def test_scheme_and_port_are_settings(config):
    config(FORWARD_ALLOW_HTTP=False, FORWARD_PORTS=["443"])
    assert check_url("https://hooks.example/a?b=c").path == "/a?b=c"
    for url in ("http://hooks.example/", "https://hooks.example:8443/"):
        with pytest.raises(Forbidden):
            check_url(url)
    config(FORWARD_ALLOW_HTTP=True, FORWARD_PORTS=["any"])
    assert check_url("http://Bücher.example:8080/ä b".replace(" ", "")).host_header == "xn--bcher-kva.example:8080"


PRIVATE = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0.0.1.",
    "127。0。0。1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST.",
    "ｌｏｃａｌｈｏｓｔ",
    "a.localhost",
    "169.254.169.254",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::1%25lo]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::7f00:1]",
    "[2002:a00:1::]",
    "[64:ff9b::10.0.0.1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fd00:ec2::254]",
    "user@10.0.0.1",
]
LEADS_TO = [
    ["127.0.0.1"],  # as of a name that is an alias of localhost
    ["93.184.216.34", "10.0.0.1"],
    ["169.254.169.254"],
    ["0.0.0.0"],
    ["::"],
    ["2606:2800:220:1:248:1893:25c8:1946", "::ffff:192.168.0.1"],
    ["64:ff9b::a9fe:a9fe"],
    ["fe80::1%eth0"],
]


@pytest.mark.parametrize(
    ("host", "leads_to"),
    [*((host, ["93.184.216.34"]) for host in PRIVATE), *(("inner.example", to) for to in LEADS_TO)],
)
def test_what_is_not_public_is_refused_as_it_is_typed_and_as_it_is_sent_to(monkeypatch, resolver, host, leads_to):
    """As it is typed: nobody is asked about a spelling. As it is sent to: no connection is begun."""
    resolver(leads_to)
    monkeypatch.setattr(posting, "_post_to", lambda *_: pytest.fail("it was about to connect"))
    with pytest.raises(ValidationError):
        forwards.clean_url(f"https://{host}/")
    answer = posting.post(f"https://{host}/", BODY, {})
    assert answer.status is None
    assert answer.problem
    if host in PRIVATE:
        with pytest.raises(Forbidden):
            check_url(f"https://{host}/")


def test_an_address_that_turned_private_since_it_was_typed_is_refused_when_it_is_sent_to(monkeypatch, resolver):
    resolver(["93.184.216.34"], ["10.0.0.1"])
    monkeypatch.setattr(posting, "_post_to", lambda *_: pytest.fail("it was about to connect"))
    assert forwards.clean_url("https://turns.example/")
    assert "10.0.0.1" in posting.post("https://turns.example/", BODY, {}).problem


def test_one_bad_address_among_good_ones_is_enough(resolver):
    resolver(["93.184.216.34", "10.0.0.1"])
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1"):
        resolve(check_url("https://hooks.example/"))


def test_a_name_that_leads_elsewhere_the_second_time_is_asked_only_once(config, receiver, resolver):
    """Rebinding: the check sees a good address, what connects would see a bad one."""
    config(FORWARD_ALLOW_PRIVATE=True)
    asked = resolver(["127.0.0.1"], ["169.254.169.254"])
    answer = posting.post(f"http://hooks.example:{receiver.port}/x", BODY, {})
    assert answer.taken
    assert asked == ["hooks.example"]
    assert receiver.received[0].headers["Host"] == f"hooks.example:{receiver.port}"


def test_nothing_is_sent_to_a_private_address_without_the_setting(receiver, resolver):
    resolver(["127.0.0.1"])
    answer = posting.post(f"http://hooks.example:{receiver.port}/x", BODY, {})
    assert "127.0.0.1" in answer.problem
    assert not answer.taken
    assert not receiver.received


def test_a_proxy_of_the_environment_is_not_used(config, receiver, monkeypatch):
    config(FORWARD_ALLOW_PRIVATE=True)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert posting.post(receiver.url(), BODY, {}).taken


def test_a_redirect_is_not_followed(config, receiver):
    config(FORWARD_ALLOW_PRIVATE=True)
    receiver.status, receiver.headers = 307, {"Location": receiver.url("/elsewhere")}
    answer = posting.post(receiver.url(), BODY, {})
    assert (answer.status, answer.taken, len(receiver.received)) == (307, False, 1)
    assert "redirect" in answer.problem


def test_a_huge_or_packed_answer_is_read_in_part_and_never_unpacked(config, receiver):
    config(FORWARD_ALLOW_PRIVATE=True)
    receiver.answer = b"x\x00" * 5_000_000
    receiver.headers = {"Content-Encoding": "gzip"}
    answer = posting.post(receiver.url(), BODY, {})
    assert answer.taken
    assert len(answer.text) == posting.KEPT
    assert "\x00" not in answer.text


@pytest.mark.parametrize(
    "reply",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 99999 X\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300],
)
def test_an_answer_that_is_none_is_a_failure_in_words(config, receiver, reply):
    config(FORWARD_ALLOW_PRIVATE=True)
    receiver.instead = lambda handler: handler.wfile.write(reply)
    answer = posting.post(receiver.url(), BODY, {})
    assert answer.status is None
    assert answer.problem


def test_a_dripping_receiver_is_cut_off(config, receiver, monkeypatch):
    config(FORWARD_ALLOW_PRIVATE=True)
    monkeypatch.setattr(posting, "TOTAL_SECONDS", 0.4)

    def drip(handler):
        for _ in range(300):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            posting.time.sleep(0.01)

    receiver.instead = drip
    answer = posting.post(receiver.url(), BODY, {})
    assert answer.status is None
    assert answer.milliseconds < 2500


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of its own authority for hooks.example, as a file with key and certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hooks.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_the_certificate_must_be_good_for_the_name_though_the_address_is_pinned(config, resolver, certificate):
    config(FORWARD_ALLOW_PRIVATE=True)
    asked_for = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    secure = Receiver()
    server = serve(secure, lambda sock: context.wrap_socket(sock, server_side=True))
    try:
        resolver(["127.0.0.1"])
        unknown = posting.post(secure.url(host="hooks.example", scheme="https"), BODY, {})
        assert "certificate" in unknown.problem
        config(FORWARD_CA_FILE=str(certificate))
        assert posting.post(secure.url(host="hooks.example", scheme="https"), BODY, {}).taken
        wrong = posting.post(secure.url(host="other.example", scheme="https"), BODY, {})
        assert "certificate" in wrong.problem
        assert posting.post(secure.url(scheme="https"), BODY, {}).status is None
    finally:
        server.shutdown()
        server.server_close()
    assert asked_for[:3] == ["hooks.example", "hooks.example", "other.example"]
    assert len(secure.received) == 1
