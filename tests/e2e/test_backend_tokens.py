"""What a service's backend is called with: nothing, the caller's token, one exchanged for it, or the gate's own."""

import concurrent.futures

import pytest

from gate import wait_until
from identity import Client, CodeFlow, post_form
from logins import APP

SERVICE = APP + "token: %s\n"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANTS = {"grant_types": ["authorization_code", "refresh_token", "client_credentials", EXCHANGE]}


def token_at(backend, index=-1):
    """The bearer token that the backend was called with; None without one."""
    kind, _, token = backend.requests[index].header("authorization", "").partition(" ")
    assert kind in ("", "Bearer")
    return token or None


def introspected(provider, token):
    status, answer = post_form(provider.metadata()["introspection_endpoint"], provider.add(Client()), token=token)
    assert status == 200
    return answer


def grants(provider, kind):
    return [entry for entry in provider.asked("token") if entry["parameters"]["grant_type"] == kind]


def test_none_by_default(make_site, provider, backend):
    site = make_site({"staff": provider}, backend=backend)
    site.log_in()
    assert token_at(backend) is None


def test_callers_own(make_site, provider, backend):
    services = {"app": SERVICE % '{ caller: { audience: "https://orders.example" } }'}
    site = make_site({"staff": provider}, services, backend=backend, client=GRANTS,
                     oidc={"resource": "https://orders.example", "scopes": ["openid", "orders:read"]})
    site.log_in()
    answer = introspected(provider, token_at(backend))
    assert answer["sub"] == "alice" and answer["aud"] == "https://orders.example"


def test_callers_own_is_for_somebody_else(make_site, provider, backend):
    """A token issued for another service is not carried here."""
    services = {"app": SERVICE % '{ caller: { audience: "https://stock.example" } }'}
    site = make_site({"staff": provider}, services, backend=backend, client=GRANTS,
                     oidc={"resource": "https://orders.example", "scopes": ["openid", "orders:read"]})
    _, page = site.log_in()
    assert page.status == 502 and site.gate.record(page)["reason"] == "backend_token_unavailable"
    assert not backend.requests


def test_exchanged(make_site, provider, backend):
    services = {"app": SERVICE % '{ exchange: { provider: staff, audience: "https://stock.example", '
                                 'scopes: ["stock:read"] } }'}
    site = make_site({"staff": provider}, services, backend=backend, client=GRANTS)
    agent, page = site.log_in()
    assert page.status == 200
    answer = introspected(provider, token_at(backend))
    assert answer["sub"] == "alice" and answer["aud"] == "https://stock.example" and answer["scope"] == "stock:read"
    for _ in range(5):
        assert agent.call(site.url("/app/api")).status == 200
    assert len({token_at(backend, n) for n in range(6)}) == 1 and len(grants(provider, EXCHANGE)) == 1
    # Another person's token is another.
    site.log_in(person="bob")
    assert introspected(provider, token_at(backend))["sub"] == "bob"
    assert len(grants(provider, EXCHANGE)) == 2


def test_exchange_refused(make_site, provider, backend):
    services = {"app": SERVICE % '{ exchange: { provider: staff, audience: "https://unknown.example" } }'}
    site = make_site({"staff": provider}, services, backend=backend, client=GRANTS)
    _, page = site.log_in()
    assert page.status == 502 and site.gate.record(page)["reason"] == "backend_token_unavailable"
    assert not backend.requests


OWN_TOKEN = """\
match: { host: app.localhost, path: / }
access: [{ name: open, allow: anyone }]
token: { client_credentials: { provider: staff, scopes: ["stock:read"], resource: "https://stock.example" } }
"""


def test_gates_own(make_site, provider, backend):
    """Fetched once, whoever calls; replaced before it ends."""
    site = make_site({"staff": provider}, {"app": OWN_TOKEN}, backend=backend,
                     client={**GRANTS, "access_token_seconds": 3})
    agents = [site.agent() for _ in range(8)]
    for agent in agents:
        assert agent.call(site.url("/x")).status == 200
    assert len({token_at(backend, n) for n in range(8)}) == 1
    answer = introspected(provider, token_at(backend))
    assert answer["client_id"] == site.client.client_id and answer["aud"] == "https://stock.example"
    first = token_at(backend)

    def replaced():
        assert agents[0].call(site.url("/x")).status == 200
        return token_at(backend) != first
    wait_until(replaced, "another token")
    assert introspected(provider, token_at(backend))["active"]


def test_gates_own_cannot_be_had(make_site, provider, backend):
    site = make_site({"staff": provider}, {"app": OWN_TOKEN}, backend=backend, client=GRANTS)
    provider.trouble("token", "error")
    answer = site.agent().call(site.url("/x"))
    assert answer.status == 502 and answer.reason == "backend_token_unavailable" and not backend.requests
    provider.trouble("token")
    wait_until(lambda: site.agent().call(site.url("/x")).status == 200, "the provider's recovery")


def test_thousand_first_requests_fetch_one(make_site, provider, backend):
    site = make_site({"staff": provider}, {"app": OWN_TOKEN}, backend=backend, client=GRANTS)
    provider.trouble("token", delay_ms=700)
    agents = [site.agent() for _ in range(60)]
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda agent: agent.call(site.url("/x")), agents))
    assert {answer.status for answer in answers} == {200} and len(grants(provider, "client_credentials")) == 1


@pytest.mark.parametrize("policy", ["none", '{ exchange: { provider: staff, audience: "https://stock.example" } }'])
def test_programs_tokens_are_not_passed_on(make_site, provider, backend, policy):
    """A program's own token for this gate never reaches the backend as it came."""
    jwt = """\
  machines:
    jwt: { issuer: "%s", audience: ["https://signed.example"], jwks: "%s/jwks", algorithms: [ES256] }
""" % (provider.issuer, provider.issuer)
    service = (SERVICE % policy).replace("{ provider: staff }", "{ provider: [staff, machines] }")
    site = make_site({"staff": provider}, {"app": service}, backend=backend, client=GRANTS, gate=jwt)
    client = provider.add(Client(redirect_uris=["https://app.localhost/x"], id_token_signed_response_alg="ES256"))
    token = CodeFlow(provider, client, resource="https://signed.example",
                     scope="openid orders:read").tokens()["access_token"]
    answer = site.agent().call(site.url("/app/api"), headers={"Authorization": "Bearer " + token})
    assert answer.status == 200
    [request] = backend.requests
    assert token not in request.raw.decode()
    assert policy == "none" or introspected(provider, token_at(backend))["sub"] == "alice"
