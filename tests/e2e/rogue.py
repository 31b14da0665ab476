"""An identity provider that a test scripts: it does all that a login needs, and any of it wrongly when told so. Whoever
comes is logged in at once as `person`."""

import base64
import json
import secrets
import time
import urllib.parse

from backend import Backend
from tokens import Issuer


class Rogue:
    def __init__(self, address="127.0.0.4", index=0):
        self.backend = Backend(self._answer, name="rogue", address=address)
        self.issuer = f"http://{self.backend.address}"
        self.signer = Issuer(self.issuer, index=index)
        self.key_set = json.dumps(self.signer.jwks(["ES256", "RS256"]))  # made now: an RSA key takes its time
        self.reset()

    def reset(self):
        """Honest again, and asked nothing."""
        self.person, self.codes = "alice", {}
        # What is done otherwise; a value of None takes a member out.
        self.metadata, self.redirect, self.claims, self.header, self.tokens = {}, {}, {}, {}, {}
        self.algorithm = "ES256"
        self.sign = None          # makes the ID token of (header, claims) instead
        self.scripts = {}         # path -> function of a Call that answers instead
        self.backend.requests.clear()

    def stop(self):
        self.backend.stop()

    def asked(self, path):
        return [request for request in self.backend.requests if request.target.split("?")[0] == path]

    def count(self, path):
        return len(self.asked(path))

    def forms(self, path):
        """What was posted there."""
        return [dict(urllib.parse.parse_qsl(request.body.decode())) for request in self.asked(path)]

    # --- What it answers ---

    def _answer(self, call):
        path, _, query = call.request.target.partition("?")
        call.read_body()
        parameters = dict(urllib.parse.parse_qsl(query or call.request.body.decode(), keep_blank_values=True))
        if path in self.scripts:
            self.scripts[path](call)
            return
        answer = {"/.well-known/openid-configuration": self._discovery, "/jwks": self._jwks,
                  "/authorize": self._authorize, "/token": self._token, "/userinfo": self._userinfo}.get(path)
        if answer:
            answer(call, parameters)
        else:
            call.respond(404)

    def _discovery(self, call, _):
        send_json(call, changed({
            "issuer": self.issuer, "authorization_endpoint": self.issuer + "/authorize",
            "token_endpoint": self.issuer + "/token", "jwks_uri": self.issuer + "/jwks",
            "userinfo_endpoint": self.issuer + "/userinfo", "end_session_endpoint": self.issuer + "/end",
            "revocation_endpoint": self.issuer + "/revoke", "introspection_endpoint": self.issuer + "/introspect",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"], "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "authorization_response_iss_parameter_supported": True}, self.metadata))

    def _jwks(self, call, _):
        call.respond(200, [("Content-Type", "application/json")], self.key_set.encode())

    def _authorize(self, call, asked):
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        target = asked["redirect_uri"] + "?" + urllib.parse.urlencode(
            changed({"code": code, "state": asked["state"], "iss": self.issuer}, self.redirect))
        call.respond(302, [("Location", target)])

    def _token(self, call, form):
        asked = self.codes.get(form.get("code"), {})
        client = asked.get("client_id") or client_of(call.request) or form.get("client_id")
        send_json(call, changed({
            "access_token": secrets.token_urlsafe(24), "token_type": "Bearer", "expires_in": 300,
            "refresh_token": secrets.token_urlsafe(24),
            "id_token": self.id_token(client, asked.get("nonce"))}, self.tokens))

    def _userinfo(self, call, _):
        send_json(call, changed({"sub": self.person, "groups": ["support"]}, self.claims))

    def id_token(self, client, nonce, **changes):
        claims = changed({**self.signer.claims(aud=client, sub=self.person, nonce=nonce), "groups": ["support"],
                          "sid": "sid-" + self.person, "auth_time": int(time.time())}, {**self.claims, **changes})
        if self.sign:
            return self.sign(self.header, claims)
        return self.signer.token(self.algorithm, header=self.header, payload=json.dumps(claims))

    def logout_token(self, client, header=None, **changes):
        """A right one, then changes."""
        return self.signer.token("ES256", header={"typ": "logout+jwt", **(header or {})},
                                 payload=json.dumps(self.logout_claims(client, **changes)))

    def logout_claims(self, client, **changes):
        return changed({
            "iss": self.issuer, "aud": client, "sub": self.person, "sid": "sid-" + self.person,
            "iat": int(time.time()), "exp": int(time.time()) + 120, "jti": secrets.token_urlsafe(12),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, changes)


def changed(members, changes):
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def send_json(call, value, status=200):
    call.respond(status, [("Content-Type", "application/json")], json.dumps(value).encode())


def client_of(request):
    kind, _, pair = request.header("authorization", "").partition(" ")
    return urllib.parse.unquote(base64.b64decode(pair).decode().split(":")[0]) if kind == "Basic" else None
