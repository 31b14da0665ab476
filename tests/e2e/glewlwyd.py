"""Glewlwyd, a second identity provider: written in C by others than oidc-provider's, so that a gate which fits one
provider only is found out. A process of its own with a database in a folder of the test's; the service that its Debian
package brings is never used. It has no page of its own here: a person logs in by its API, as its page's script does."""

import json
import pathlib
import sqlite3
import subprocess

from agent import Agent, query_of
from backend import unused_port
from gate import wait_until
from identity import get_json, post_form
from tokens import private_jwk, private_key

SCHEMA = pathlib.Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
ADMINISTRATOR = {"username": "admin", "password": "password"}  # as its schema has it
SCOPES = ["openid", "profile", "email", "offline_access", "orders:read"]

CONFIGURATION = """\
port={port}
bind_address="{address}"
external_url="http://{address}:{port}"
login_url="login"
api_prefix="api"
cookie_domain="{address}"
cookie_secure=0
session_key="GLEWLWYD2_SESSION_ID"
login_api_enabled=true
allow_multiple_user_per_session=true
log_mode="file"
log_level="INFO"
log_file="{folder}/glewlwyd.log"
admin_scope="g_admin"
profile_scope="g_profile"
session_expiration=3600
max_post_size=1048576
hash_algorithm="SHA512"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
database = {{ type="sqlite3"; path="{folder}/glewlwyd.db" }}
"""

# Of its OpenID Connect plugin. Everything it may leave out it does: what is not here is off.
PLUGIN = {
    "subject-type": "public", "access-token-duration": 300, "refresh-token-duration": 3600, "code-duration": 60,
    "refresh-token-rolling": True, "refresh-token-one-use": "always", "allow-non-oidc": True,
    "auth-type-code-enabled": True, "auth-type-code-revoke-replayed": True, "auth-type-client-enabled": True,
    "auth-type-refresh-enabled": True, "jwks-show": True, "pkce-allowed": True, "pkce-required": True,
    "introspection-revocation-allowed": True, "introspection-revocation-allow-target-client": True,
    "session-management-allowed": True, "session-cookie-name": "GLEWLWYD2_OIDC_SID",
    "session-cookie-expiration": 3600, "back-channel-logout-allowed": True, "oauth-as-iss-id": True,
    "resource-allowed": True, "resource-scope": {"orders:read": ["https://orders.example"]},
    "name-claim": "mandatory", "email-claim": "mandatory", "scope-claim": "no",
    "claims": [{"name": "groups", "user-property": "groups", "type": "string", "mandatory": True}],
}


def password_of(person):
    return "password of " + person


class Glewlwyd:
    knows_authority = False

    def __init__(self, folder, people, address="127.0.0.3"):
        self.people, self.port = people, unused_port()
        self.origin = f"http://{address}:{self.port}"
        self.issuer = self.origin + "/api/oidc"
        self.folder = pathlib.Path(folder)
        database = sqlite3.connect(self.folder / "glewlwyd.db")
        database.executescript(SCHEMA.read_text())
        database.close()
        configuration = self.folder / "glewlwyd.conf"
        configuration.write_text(CONFIGURATION.format(address=address, port=self.port, folder=self.folder))
        self.process = subprocess.Popen(["glewlwyd", "--config-file", str(configuration)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.administrator = Agent()
        try:
            wait_until(self._is_up, "Glewlwyd")
            self._set_up()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def log(self):
        return (self.folder / "glewlwyd.log").read_text()

    def _is_up(self):
        assert self.process.poll() is None, self.log()
        try:
            return self._api("POST", "auth", ADMINISTRATOR) is None
        except OSError:
            return False

    def _api(self, method, path, body=None):
        answer = self.administrator.ask(method, f"{self.origin}/api/{path}", body=body)
        assert answer.status == 200, (path, answer, self.log()[-300:])
        return answer.json() if answer.body else None

    def _set_up(self):
        for scope in SCOPES[1:]:
            self._api("POST", "scope", {"name": scope, "display_name": scope, "password_required": True})
        users = self._api("GET", "mod/user/database")
        users["parameters"]["data-format"]["groups"] = {"multiple": True, "read": True, "write": True}
        self._api("PUT", "mod/user/database", users)
        clients = self._api("GET", "mod/client/database")
        known = clients["parameters"]["data-format"]
        known["post_logout_redirect_uris"] = {"multiple": True, "read": True, "write": True}
        self._api("PUT", "mod/client/database", clients)
        self._api("PUT", "mod/reload/")
        for name, claims in self.people.items():
            self._api("POST", "user", {"username": name, "password": password_of(name), "name": claims["name"],
                                       "email": claims["email"], "groups": claims["groups"], "scope": SCOPES,
                                       "enabled": True})
        keys = {"keys": [private_jwk(private_key("ES256", 20), "glewlwyd", "ES256")]}
        self._api("POST", "mod/plugin", {
            "module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "enabled": True,
            "parameters": {**PLUGIN, "iss": self.issuer, "jwks-private": json.dumps(keys)}})

    # --- As OidcProvider has it ---

    def add(self, client):
        kinds = ["code", "refresh_token"] if client.redirect_uris else ["client_credentials"]
        self._api("POST", "client", {
            "client_id": client.client_id, "client_name": client.client_id, "name": client.client_id,
            "confidential": bool(client.secret), "client_secret": client.secret, "enabled": True,
            "redirect_uri": client.redirect_uris, "authorization_type": kinds, "scope": SCOPES,
            "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"],
            **{name: "1" if value is True else value for name, value in client.metadata.items()}})
        return client

    def metadata(self):
        return get_json(self.issuer + "/.well-known/openid-configuration")

    def grant(self, client, grant_type, **parameters):
        return post_form(self.metadata()["token_endpoint"], client, grant_type=grant_type, **parameters)

    # --- As its page's script does it ---

    def sign_in(self, agent, page, person="alice", until=None):
        """The page is the provider's question who it is; ends where the browser is sent in the end."""
        asked = query_of(page.url)
        answer = agent.call(self.origin + "/api/auth", "POST", {"username": person, "password": password_of(person)})
        assert answer.status == 200, answer
        answer = agent.call(f"{self.origin}/api/auth/grant/{asked['client_id']}", "PUT", {"scope": asked["scope"]})
        assert answer.status == 200, answer
        return agent.follow(agent.ask("GET", asked["callback_url"] + "&g_continue"), until)

    def sign_out(self, agent, page):
        """The page is the provider's question whether to sign out; ends where the browser is sent afterwards."""
        asked = query_of(page.url.replace("?&", "?"))
        answer = agent.call(f"{self.origin}/api/{asked['plugin']}/session/{asked['sid']}", "DELETE")
        assert answer.status == 200, answer
        assert agent.call(self.origin + "/api/auth/", "DELETE").status == 200
        return agent.open(asked["callback_url"]) if "callback_url" in asked else page
