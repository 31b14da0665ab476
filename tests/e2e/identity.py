"""Identity providers for tests, real ones: oidc-provider (Node, OpenID-certified), whose server stands in idp/, and
Glewlwyd (C, a Debian package). Each is told of clients, lets a person in, ends sessions, and says what it was asked."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import secrets
import subprocess
import urllib.parse

from agent import Agent, query_of
from gate import PATIENCE, ROOT

PACKAGES = ROOT / "tests/e2e/idp/node_modules"
SERVER = ROOT / "tests/e2e/idp/server.mjs"

PEOPLE = {
    "alice": {"name": "Alice Example", "email": "alice@example.com", "email_verified": True,
              "groups": ["support", "people"], "realm_access": {"roles": ["support"]}, "roles": "support people",
              "https://claims.example/groups": ["support"], "factors": ["urn:mfa"]},
    "bob": {"name": "Bob Example", "email": "bob@example.com", "email_verified": True, "groups": ["people"],
            "realm_access": {"roles": ["people"]}, "roles": "people", "https://claims.example/groups": ["people"]},
    # In more groups than a cookie holds.
    "carol": {"name": "Carol Example", "email": "carol@example.com", "email_verified": True,
              "groups": ["support", *(f"department-number-{n}" for n in range(400))]},
}
# Services that tokens are issued for, by what their access tokens are.
RESOURCES = {
    "https://orders.example": {"format": "opaque", "scope": "orders:read orders:write"},
    "https://stock.example": {"format": "opaque", "scope": "stock:read"},
    "https://signed.example": {"format": "jwt", "scope": "orders:read orders:write"},
}


def node():
    """The Node that the packages bring: Debian 12's own is older than oidc-provider needs."""
    found = next(PACKAGES.glob("node-linux-*/bin/node"), None)
    assert found, f"`npm ci` in {SERVER.parent} installs the identity provider; ./dev test does it too"
    return found


class Client:
    """What a client of a provider is called and how it shows itself; by default a confidential one of its own."""

    def __init__(self, client_id=None, secret=None, redirect_uris=(), **metadata):
        self.client_id = client_id or "client-" + secrets.token_hex(4)
        self.secret = secrets.token_urlsafe(24) if secret is None else secret  # "": a public client
        self.redirect_uris, self.metadata = list(redirect_uris), metadata


class OidcProvider:
    """`node idp/server.mjs`, one process an instance."""

    knows_authority = True  # calls a gate over TLS

    def __init__(self, folder, address="127.0.0.2", tls=None, authority=None, **settings):
        settings = {"address": address, "people": PEOPLE, "resources": RESOURCES, "acr_values": ["urn:mfa"], **settings}
        if tls:
            settings["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
        environ = {**os.environ, "NODE_EXTRA_CA_CERTS": str(authority.certificate) if authority else ""}
        self.people = settings["people"]
        self.errors = pathlib.Path(folder, "idp.stderr")
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([str(node()), str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, env=environ, text=True)
        self.process.stdin.write(json.dumps(settings))
        self.process.stdin.close()
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        self.issuer, self._control = json.loads(line)["issuer"], json.loads(line)["control"]

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    # --- Told by tests ---

    def _tell(self, command, **arguments):
        connection = http.client.HTTPConnection("127.0.0.1", self._control, timeout=PATIENCE)
        try:
            connection.request("POST", "/" + command, json.dumps(arguments))
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == 200, (command, arguments, text)
            return json.loads(text)
        finally:
            connection.close()

    def add(self, client):
        metadata = {
            "client_id": client.client_id, "redirect_uris": client.redirect_uris,
            "grant_types": ["authorization_code", "refresh_token"] if client.redirect_uris else ["client_credentials"],
            "response_types": ["code"] if client.redirect_uris else [],
            "token_endpoint_auth_method": "client_secret_basic" if client.secret else "none",
            **({"client_secret": client.secret} if client.secret else {}), **client.metadata}
        self._tell("client", **metadata)
        return client

    def rotate_keys(self, keep="yes"):
        """New keys sign from now on; with keep="no" the old ones are not published any more."""
        self._tell("rotate", keep=keep)

    def trouble(self, endpoint, kind=None, **more):
        """The endpoint ("token", "jwks", ... or "all") fails so from now on: see idp/trouble.mjs."""
        self._tell("trouble", endpoint=endpoint, **({"kind": kind} if kind else {}), **more)

    def down(self):
        self._tell("down")

    def up(self):
        self._tell("up")

    def end_sessions(self, person):
        """As its administrator; the clients' answers to back-channel logout."""
        return self._tell("end-sessions", person=person)

    def use_refresh_tokens(self, client):
        """As a thief would who had them: the client comes second."""
        self._tell("use-refresh-tokens", client=client.client_id)

    def forget(self):
        """All that a test left behind: clients, sessions, trouble and what was asked."""
        self._tell("forget")

    def asked(self, endpoint=None):
        return [entry for entry in self._tell("asked") if endpoint in (None, entry["endpoint"])]

    def count(self, endpoint):
        return len(self.asked(endpoint))

    # --- Done by people and clients ---

    def sign_in(self, agent, page, person="alice", until=None):
        """The page is the provider's question who it is; ends where the browser is sent in the end."""
        return agent.submit(page, until, login=person)

    def sign_out(self, agent, page):
        """The page is the provider's question whether to sign out; ends where the browser is sent afterwards."""
        return agent.submit(page, logout="yes")

    def metadata(self):
        return get_json(self.issuer + "/.well-known/openid-configuration")

    def grant(self, client, grant_type, **parameters):
        """An answer of the token endpoint."""
        return post_form(self.metadata()["token_endpoint"], client, grant_type=grant_type, **parameters)

    def token(self, client=None, resource="https://orders.example", scope="orders:read"):
        """An access token that the client gets for itself."""
        client = client or self.add(Client())
        status, answer = self.grant(client, "client_credentials", resource=resource, scope=scope)
        assert status == 200, answer
        return answer["access_token"]


def get_json(url):
    answer = Agent().ask("GET", url)
    assert answer.status == 200, answer
    return answer.json()


def post_form(url, client, **parameters):
    """A form that a client sends by itself, as (status, answer)."""
    headers = {}
    if client.secret:
        pair = f"{urllib.parse.quote(client.client_id)}:{urllib.parse.quote(client.secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        parameters["client_id"] = client.client_id
    answer = Agent().post(url, parameters, headers)
    return answer.status, answer.json() if answer.body else None


class CodeFlow:
    """A login as any client has it, without a gate: to try providers themselves, and for programs that call a gate
    with a person's token."""

    def __init__(self, provider, client, agent=None, scope="openid profile email", **parameters):
        self.provider, self.client, self.agent = provider, client, agent or Agent()
        self.metadata = provider.metadata()
        self.verifier, self.state, self.nonce = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        self.parameters = {
            "response_type": "code", "client_id": client.client_id, "redirect_uri": client.redirect_uris[0],
            "scope": scope, "state": self.state, "nonce": self.nonce, "code_challenge": challenge,
            "code_challenge_method": "S256", **parameters}

    def sign_in(self, person="alice"):
        """The parameters of the answer that a browser takes to the redirect URI."""
        target = self.client.redirect_uris[0]
        url = self.metadata["authorization_endpoint"] + "?" + urllib.parse.urlencode(self.parameters)
        answer = self.agent.follow(self.agent.ask("GET", url), until=target)
        if self.agent.redirect_of(answer) is None:
            answer = self.provider.sign_in(self.agent, answer, person, until=target)
        target = self.agent.redirect_of(answer)
        assert target, answer
        return query_of(target)

    def redeem(self, code, **parameters):
        return self.provider.grant(self.client, "authorization_code", code=code, code_verifier=self.verifier,
                                   redirect_uri=self.client.redirect_uris[0], **parameters)

    def tokens(self, person="alice"):
        status, tokens = self.redeem(self.sign_in(person)["code"])
        assert status == 200, tokens
        return tokens
