"""What the guide's pages promise, on their own gates with a real provider: only addresses and secrets are the tests'."""

import base64
import json
import shutil

import pytest

from agent import Agent
from gate import Gate
from identity import Client, OidcProvider
from logins import SESSION
from proofs import Holder
from test_guide import GUIDE, SECRETS
from tokens import Issuer

OWN = "/.well-known/gatehouse/"

# Services that the provider makes tokens for, as the pages call them.
RESOURCES = {
    "https://orders.example.com": {"format": "jwt", "scope": "orders:read orders:write"},
    "https://stock.example.com": {"format": "opaque", "scope": "stock:read"},
    "https://bank.example.com": {"format": "jwt", "scope": ""},
    "https://api.search.example": {"format": "opaque", "scope": "search"},
    "billing": {"format": "jwt", "scope": "billing"},
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    provider = OidcProvider(tmp_path_factory.mktemp("idp"), resources=RESOURCES)
    yield provider
    provider.stop()


class Started:
    """A page's gate, with its client at the provider when people log in there."""

    def __init__(self, gate, backend, client):
        self.gate, self.backend, self.client = gate, backend, client
        self.agent = Agent()

    def url(self, path, host="localhost"):
        return f"http://{host}:{self.gate.port}{path}"

    def get(self, path, token=None, **options):
        return self.gate.get(path, [("Authorization", f"Bearer {token}")] if token else [], host="localhost", **options)

    def log_in(self, provider, path, host="localhost", person="alice"):
        page = self.agent.open(self.url(path, host))
        assert page.url.startswith(provider.issuer), page
        return provider.sign_in(self.agent, page, person)


@pytest.fixture
def start(tmp_path, make_backend, provider):
    started = []

    def make(page, host="localhost", client_id="gatehouse", secret="STAFF_SECRET", **values):
        folder = tmp_path / page
        shutil.copytree(GUIDE / page, folder)
        settings = folder / "gatehouse.yaml"
        settings.write_text(settings.read_text().replace('"127.0.0.1:8080"', '"127.0.0.1:0"')
                            + 'admin: { address: "127.0.0.1:0" }\nlog: { access: { file: access.log } }\n')
        backend = make_backend()
        services = [file.stem for file in (folder / "services").glob("*.yaml")]
        values = {**dict.fromkeys(services, [backend.address]), **values}
        (folder / "environments/test.yaml").write_text("".join(f"{k}: {json.dumps(v)}\n" for k, v in values.items()))
        gate = Gate(folder, [backend], environ=SECRETS, env="test").start()
        own = f"http://{host}:{gate.port}{OWN}"
        redirects = [own + "callback/staff"] if "staff" in settings.read_text() else []
        client = Client(client_id, SECRETS[secret], redirects, post_logout_redirect_uris=[own + "logout"], grant_types=[
            "authorization_code", "refresh_token", "client_credentials",
            "urn:ietf:params:oauth:grant-type:token-exchange"] if redirects else ["client_credentials"])
        provider.add(client)
        started.append(Started(gate, backend, client))
        return started[-1]

    yield make
    for one in started:
        one.agent.close()
        one.gate.balance()
        one.gate.stop()
    provider.forget()


def staff(provider, secret="STAFF_SECRET"):
    return {"staff_issuer": provider.issuer, "staff_secret": {"env": secret}}


def claims_of(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def challenge_of(answer):
    """The one for bearer tokens."""
    return next(text for text in answer.all("www-authenticate") if text.startswith("Bearer "))


def sent_header(answer, name):
    """What the backend got of that name."""
    return [value for key, value in answer.json()["headers"] if key.lower() == name]


def test_log_in(start, provider):
    site = start("log-in", **staff(provider))
    assert site.get("/welcome/").status == 200
    assert site.get("/rooms").reason == "credential_missing"  # a program's
    page = site.log_in(provider, "/rooms?floor=2")
    assert page.status == 200 and page.url == site.url("/rooms?floor=2")
    assert claims_of(sent_header(page, "gatehouse-identity")[0])["sub"] == "alice"
    assert not sent_header(page, "cookie")
    assert site.agent.call(site.url("/salaries/7")).reason == "rule_denied"
    assert site.agent.ask("GET", site.url(OWN + "session")).json()["sessions"][0]["subject"] == "alice"


def test_single_page_app(start, provider):
    site = start("single-page-app", host="app.localhost", **staff(provider))
    assert site.agent.call(site.url("/api/orders", "app.localhost")).status == 401
    assert site.log_in(provider, "/", "app.localhost").status == 200
    answer = site.agent.call(site.url("/api/orders", "app.localhost"), "POST", {"lamps": 2})
    assert answer.status == 200 and answer.json()["target"] == "/orders"
    elsewhere = {"Origin": "http://evil.localhost", "Sec-Fetch-Site": "cross-site"}
    forged = site.agent.call(site.url("/api/orders", "app.localhost"), "POST", {}, elsewhere)
    assert forged.status == 403 and forged.reason == "cross_site_refused"


def test_sign_out(start, provider):
    site = start("sign-out", **staff(provider))
    assert site.log_in(provider, "/").status == 200
    before = list(site.agent.cookies)
    page = site.agent.open(site.url(OWN + "logout"))
    assert site.agent.submit(page, reach="gate").status == 200
    assert site.agent.cookie(SESSION) is None
    # Nor does the cookie count that somebody kept; but whoever is logged in at the issuer needs no password.
    site.agent.cookies = before
    assert site.agent.call(site.url("/")).reason == "session_ended"
    assert site.agent.open(site.url("/")).status == 200
    # At the issuer too.
    page = site.agent.submit(site.agent.open(site.url(OWN + "logout")), reach="provider")
    assert page.url.startswith(provider.issuer)
    provider.sign_out(site.agent, page)
    assert site.agent.open(site.url("/")).url.startswith(provider.issuer)


def test_programs(start, provider):
    site = start("programs", client_id="warehouse", issuer=provider.issuer, issuer_keys=provider.metadata()["jwks_uri"])
    orders = "https://orders.example.com"
    reader = provider.token(resource=orders, scope="orders:read")
    assert site.get("/orders/7", reader).status == 200
    refused = site.gate.fetch("DELETE", "/orders/7", [("Authorization", f"Bearer {reader}")], host="localhost")
    assert refused.status == 403 and 'error="insufficient_scope"' in challenge_of(refused)
    shipped = provider.token(site.client, resource=orders, scope="orders:read")
    assert site.gate.fetch("PUT", "/orders/7/shipped", [("Authorization", f"Bearer {shipped}")],
                           host="localhost").status == 200
    challenge = challenge_of(site.get("/orders/7"))
    assert 'resource_metadata="http://localhost/.well-known/oauth-protected-resource/orders/7"' in challenge
    metadata = site.get("/.well-known/oauth-protected-resource/orders/7").json()
    assert metadata["authorization_servers"] == [provider.issuer]
    assert set(metadata["scopes_supported"]) == {"orders:read", "orders:write"}


def test_introspection(start, provider):
    site = start("introspection", secret="LEGACY_SECRET", legacy_secret={"env": "LEGACY_SECRET"},
                 introspection=provider.metadata()["introspection_endpoint"])
    token = provider.token(resource="https://stock.example.com", scope="stock:read")
    assert site.get("/stock/7", token).status == site.get("/stock/8", token).status == 200
    assert provider.count("introspection") == 1
    under_test = provider.add(Client("sandbox"))
    token = provider.token(under_test, resource="https://stock.example.com", scope="stock:read")
    assert site.get("/stock/7", token).reason == "rule_denied"
    assert site.get("/stock/7", "nothing").reason == "credential_invalid"


def test_tokens_for_backends(start, provider):
    site = start("tokens-for-backends", secret="GATE_SECRET", issuer=provider.issuer,
                 issuer_keys=provider.metadata()["jwks_uri"], gate_secret={"env": "GATE_SECRET"})
    wiki = site.log_in(provider, "/wiki/start")
    identity = claims_of(sent_header(wiki, "gatehouse-identity")[0])
    assert (identity["iss"], identity["aud"], identity["sub"]) == ("https://gate.example.com", "wiki", "alice")
    assert sent_header(wiki, "x-forwarded-user") == ["alice"] and not sent_header(wiki, "authorization")

    own = provider.token(resource="https://orders.example.com", scope="orders:read")
    assert sent_header(site.get("/orders/7", own), "authorization") == ["Bearer " + own]

    billing = site.agent.call(site.url("/billing/2026"))
    exchanged = sent_header(billing, "authorization")[0].removeprefix("Bearer ")
    assert claims_of(exchanged)["aud"] == "billing" and claims_of(exchanged)["sub"] == "alice"

    search = site.get("/search?q=lamp")
    assert sent_header(search, "authorization") == sent_header(site.get("/search?q=bulb"), "authorization") != []


def test_step_up(start, provider):
    site = start("step-up", staff_keys=provider.metadata()["jwks_uri"], **staff(provider))
    assert site.log_in(provider, "/accounts/7").status == 200
    payment = site.agent.call(site.url("/payments"), "POST", {"to": "bob"})
    assert payment.status == 401 and payment.reason == "step_up_required"
    challenge = challenge_of(payment)
    assert 'acr_values="urn:mfa"' in challenge and 'max_age="900"' in challenge
    page = site.agent.open(site.url("/payments/new"))
    assert page.url.startswith(provider.issuer)
    assert provider.sign_in(site.agent, page).url == site.url("/payments/new")
    assert site.agent.call(site.url("/payments"), "POST", {"to": "bob"}).status == 200


def test_bound_tokens(start):
    issuer, holder = Issuer(), Holder()
    site = start("bound-tokens", issuer=issuer.name, issuer_keys=json.dumps(issuer.jwks(["ES256"])))
    said = {"aud": "https://orders.example.com", "scope": "orders:read"}
    bound = issuer.token("ES256", cnf=holder.confirmation, **said)
    url = site.url("/orders/7")
    assert site.gate.get("/orders/7", holder.headers(url, bound), host=f"localhost:{site.gate.port}").status == 200
    assert site.get("/orders/7", bound).reason == "credential_invalid"
    assert site.get("/orders/7", issuer.token("ES256", **said)).reason == "credential_invalid"
    stolen = Holder(index=101).headers(url, bound)
    assert site.gate.get("/orders/7", stolen, host=f"localhost:{site.gate.port}").reason == "proof_invalid"
