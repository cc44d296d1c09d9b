"""Single sign-on: to an OpenID Connect provider and back, and what the provider says of a person.

allauth finds the provider's addresses, keeps the state, does PKCE and fetches the tokens. Here is what makes a token
count: signed with a key of the provider by an asymmetric algorithm, from this issuer, for this client, with the nonce
of this sign-in, and not too old. Who then gets in, and as what, is decided in ``staff/services_sso.py``.
"""

from __future__ import annotations

import secrets
from typing import Any

import jwt
import requests
import structlog
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from staff import sessions

log = structlog.get_logger(__name__)

PROVIDER = "sso"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY = 60
"""Seconds by which the provider's clock may be off."""
SIGN_IN, CONFIRM = "sign_in", "confirm"
"""What somebody is sent to the provider for."""

Claims = dict[str, Any]


class NotAccepted(Exception):
    """The provider is away or its answer does not count. ``reason`` is for the log, not for the page.

    ``of_person``: somebody did sign in there, which is worth an audit entry; anybody can come with a wrong state.
    """

    def __init__(self, reason: str, *, of_person: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.of_person = of_person


class Adapter(OpenIDConnectOAuth2Adapter):
    """allauth's, with the provider of the portal's settings and the portal's address to come back to."""

    def get_provider(self) -> Provider:
        """No row of the database: there is one provider, and the environment names it."""
        config = settings.CONFIG
        app = SocialApp(
            provider="openid_connect",
            provider_id=PROVIDER,
            name=config["OIDC_NAME"],
            client_id=config["OIDC_CLIENT_ID"],
            secret=config["OIDC_CLIENT_SECRET"],
            settings={
                "server_url": config["OIDC_ISSUER"].rstrip("/"),
                "oauth_pkce_enabled": True,
                "scope": config["OIDC_SCOPES"],
            },
        )
        return Provider(self.request, app=app)

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """The absolute address that the provider must know."""
        return request.build_absolute_uri(reverse("staff:sso_callback"))


class Provider(OpenIDConnectProvider):
    """allauth's, which makes our adapter."""

    oauth2_adapter_class = Adapter


def is_offered() -> bool:
    """Whether there is a provider."""
    return bool(settings.CONFIG["OIDC_ISSUER"])


def send_away(request: HttpRequest, *, purpose: str, target: str) -> HttpResponse:
    """To the provider. For :data:`CONFIRM` it must ask who is there, however short ago it has.

    Raises :class:`NotAccepted` when it is away.
    """
    nonce = secrets.token_urlsafe(24)
    auth_params = {"nonce": nonce}
    if purpose == SIGN_IN:
        request.session.set_expiry(statekit.STATE_TTL)  # of nobody yet; anybody can begin one
    else:
        auth_params |= {"prompt": "login", "max_age": "0"}
    try:
        response: HttpResponse = (
            Adapter(request, PROVIDER)
            .get_provider()
            .redirect(
                request,
                process="login",
                next_url=target,
                auth_params=auth_params,
                nonce=nonce,
                purpose=purpose,
                began=sessions.now(),
            )
        )
    except (requests.RequestException, OAuth2Error, ValueError, KeyError) as error:
        raise NotAccepted(f"discovery: {type(error).__name__}") from error
    return response


def come_back(request: HttpRequest) -> tuple[dict[str, Any], Claims]:
    """The state that :func:`send_away` left, and what the provider says. Each state is taken once.

    Raises :class:`NotAccepted`.
    """
    adapter = Adapter(request, PROVIDER)
    provider = adapter.get_provider()
    state = statekit.unstash_state(request, provider_id=PROVIDER, state_id=request.GET.get("state", ""))
    if state is None:
        raise NotAccepted("state: unknown, used or too old")
    if "error" in request.GET or not request.GET.get("code"):
        raise NotAccepted(f"provider: {request.GET.get('error', 'no code')[:80]}")
    try:
        client = adapter.get_client(request, provider.app)
        tokens = adapter.get_access_token_data(
            request, provider.app, client, pkce_code_verifier=state.get("pkce_code_verifier")
        )
        claims = _claims(adapter, tokens, nonce=state["nonce"])
    except requests.RequestException as error:
        raise NotAccepted(f"provider: {type(error).__name__}") from error
    except OAuth2Error as error:
        # Its text may hold the provider's answer, with tokens in it.
        raise NotAccepted("provider: no tokens") from error
    except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAccepted(f"token: {type(error).__name__}: {str(error)[:120]}", of_person=True) from error
    if state["purpose"] == CONFIRM and not _asked_anew(claims, state["began"]):
        raise NotAccepted("token: the provider did not ask anew", of_person=True)
    return state, claims


def _claims(adapter: Adapter, tokens: dict[str, Any], *, nonce: str) -> Claims:
    """What the id token says; where it holds no groups, together with what the provider's userinfo says."""
    claims = _verified(adapter, tokens["id_token"])
    if not secrets.compare_digest(str(claims.get("nonce", "")), nonce):
        raise jwt.InvalidTokenError("nonce")
    groups = settings.CONFIG["OIDC_GROUPS_CLAIM"]
    if groups not in claims and "userinfo_endpoint" in adapter.openid_config:
        with_token = {"Authorization": f"Bearer {tokens['access_token']}"}
        answer = _get(adapter.openid_config["userinfo_endpoint"], headers=with_token)
        if answer.get("sub") != claims["sub"]:
            raise jwt.InvalidTokenError("userinfo of somebody else")
        claims = answer | claims
    return claims


def _verified(adapter: Adapter, token: str) -> Claims:
    config = adapter.openid_config
    issuer, client_id = settings.CONFIG["OIDC_ISSUER"], settings.CONFIG["OIDC_CLIENT_ID"]
    if config["issuer"].rstrip("/") != issuer.rstrip("/"):
        raise jwt.InvalidIssuerError("the provider calls itself otherwise")
    header = jwt.get_unverified_header(token)
    keys = jwt.PyJWKSet.from_dict(_get(config["jwks_uri"])).keys
    fitting = [key for key in keys if header.get("kid") in (None, key.key_id) and key.public_key_use in (None, "sig")]
    if len(fitting) != 1:
        raise jwt.InvalidKeyError("no key of the provider fits")
    claims: Claims = jwt.decode(
        token,
        fitting[0].key,
        algorithms=ALGORITHMS,
        audience=client_id,
        issuer=config["issuer"],
        leeway=LEEWAY,
        options={"require": ["iss", "sub", "aud", "exp", "iat"]},
    )
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise jwt.InvalidAudienceError("azp")
    return claims


def _get(address: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    with get_adapter().get_requests_session() as session:  # has a time-out
        response = session.get(address, headers=headers)
        response.raise_for_status()
        found = response.json()
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def shown_at(claims: Claims) -> float | None:
    """When the person showed the provider who they are, in seconds since 1970; ``None`` where it does not say."""
    at = claims.get("auth_time")
    return at if isinstance(at, int | float) else None


def _asked_anew(claims: Claims, began: float) -> bool:
    at = shown_at(claims)
    return at is not None and at >= began - LEEWAY
