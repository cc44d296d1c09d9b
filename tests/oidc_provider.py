"""A small OpenID Connect provider on loopback: discovery, authorisation, tokens, keys, userinfo; and what may go wrong.

It asks nobody for a password: whoever comes is the person whose ``claims`` a test has set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask, Response, jsonify, redirect, request
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "portal", "the-portals-secret"
KEY_ID = "key-1"


class Provider:
    """Runs until :meth:`stop`. Its attributes are a test's to change; :meth:`reset` brings them back."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.other_key = ec.generate_private_key(ec.SECP256R1())
        self.reset()
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def reset(self) -> None:
        """As new: somebody called sam without a group."""
        self.claims: dict[str, Any] = {"sub": "sub-1", "preferred_username": "sam"}
        """Of the id token."""
        self.userinfo: dict[str, Any] = {}
        self.signing_key: ec.EllipticCurvePrivateKey = self.key
        self.algorithm = "ES256"
        self.asked: list[dict[str, str]] = []
        """The parameters of each authorisation request."""
        self._codes: dict[str, dict[str, str]] = {}

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _app(self) -> Flask:
        app = Flask(__name__)
        app.add_url_rule("/.well-known/openid-configuration", view_func=self._discovery)
        app.add_url_rule("/authorize", view_func=self._authorize)
        app.add_url_rule("/token", view_func=self._token, methods=["POST"])
        app.add_url_rule("/jwks", view_func=self._jwks)
        app.add_url_rule("/userinfo", view_func=self._userinfo)
        return app

    def _discovery(self) -> Response:
        return jsonify(
            issuer=self.issuer,
            authorization_endpoint=f"{self.issuer}/authorize",
            token_endpoint=f"{self.issuer}/token",
            jwks_uri=f"{self.issuer}/jwks",
            userinfo_endpoint=f"{self.issuer}/userinfo",
            token_endpoint_auth_methods_supported=["client_secret_basic"],
        )

    def _authorize(self) -> Any:
        given = request.args.to_dict()
        self.asked.append(given)
        code = secrets.token_urlsafe(8)
        self._codes[code] = given
        return redirect(f"{given['redirect_uri']}?{urlencode({'code': code, 'state': given['state']})}")

    def _token(self) -> Any:
        asked = self._codes.pop(request.form["code"], None)
        sent = request.authorization
        verifier = request.form.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if (
            asked is None
            or sent is None
            or (sent.username, sent.password) != (CLIENT_ID, CLIENT_SECRET)
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != request.form["redirect_uri"]
        ):
            return jsonify(error="invalid_grant"), 400
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "auth_time": now,
            "nonce": asked["nonce"],
            **self.claims,
        }
        key: Any = (
            self.signing_key if self.algorithm == "ES256" else None if self.algorithm == "none" else CLIENT_SECRET * 3
        )
        token = jwt.encode(claims, key, algorithm=self.algorithm, headers={"kid": KEY_ID})
        return jsonify(access_token="an-access-token", token_type="Bearer", id_token=token)

    def _jwks(self) -> Response:
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return jsonify(keys=[{**public, "kid": KEY_ID, "use": "sig", "alg": "ES256"}])

    def _userinfo(self) -> Any:
        if request.headers.get("Authorization") != "Bearer an-access-token":
            return jsonify(error="invalid_token"), 401
        return jsonify(self.userinfo)
