"""The identity providers of these tests do what the others rely on: tried without a gate, by a plain client. What they
do differently is written down here, since a gate haat-homeo live with all of it."""

import json

import pytest

from agent import Agent, query_of, with_query
from gate import wait_until
from identity import Client, CodeFlow, OidcProvider, post_form
from tokens import decode, verify_es256
import wire

CALLBACK = "https://app.localhost:4711/callback"
CODE = {"id_token_signed_response_alg": "ES256"}


def claims_of(token):
    return json.loads(decode(token.split(".")[1]))


@pytest.fixture
def client(any_provider, backend):
    """A client of a person's logins, which wantat-homeo hear of their ends."""
    return any_provider.add(Client(
        redirect_uris=[CALLBACK], post_logout_redirect_uris=[f"http://{backend.address}/goodbye"],
        backchannel_logout_session_required=True, backchannel_logout_uri=f"http://{backend.address}/logout", **CODE))


def begin(provider, client, **options):
    return CodeFlow(provider, client, scope="openid profile email offline_access", prompt="consent", **options)


def test_login_renewal_and_reuse(any_provider, client):
    flow = begin(any_provider, client)
    answer = flow.sign_in("alice")
    assert answer["state"] == flow.state and answer["iss"] == any_provider.issuer
    status, tokens = flow.redeem(answer["code"])
    assert status == 200 and tokens["token_type"].lower() == "bearer"
    keys = Agent().ask("GET", flow.metadata["jwks_uri"]).json()
    claims = verify_es256(tokens["id_token"], keys)
    assert claims["iss"] == any_provider.issuer and claims["aud"] == client.client_id
    assert claims["nonce"] == flow.nonce and claims["groups"] == ["support", "people"] and claims["sid"]

    first = tokens["refresh_token"]
    status, renewed = any_provider.grant(client, "refresh_token", refresh_token=first)
    assert status == 200 and renewed["refresh_token"] != first
    assert renewed["access_token"] != tokens["access_token"]
    assert any_provider.grant(client, "refresh_token", refresh_token=first)[0] == 400
    # Whoever came second may be the thief: nobody keeps a right to renew.
    assert any_provider.grant(client, "refresh_token", refresh_token=renewed["refresh_token"])[0] == 400


@pytest.mark.parametrize("change", ["verifier", "client", "replay"])
def test_code_is_for_one_client_once(any_provider, client, change):
    flow = begin(any_provider, client)
    code = flow.sign_in()["code"]
    if change == "verifier":
        flow.verifier = "A" * 43
    elif change == "client":
        flow.client = any_provider.add(Client(redirect_uris=[CALLBACK], **CODE))
    else:
        assert flow.redeem(code)[0] == 200
    assert flow.redeem(code)[0] in (400, 403)


def test_sign_out_tells_every_client(any_provider, client, backend):
    flow = begin(any_provider, client)
    tokens = flow.tokens()
    goodbye = f"http://{backend.address}/goodbye"
    page = flow.agent.open(with_query(flow.metadata["end_session_endpoint"], id_token_hint=tokens["id_token"],
                                      post_logout_redirect_uri=goodbye, state="at-home"))
    any_provider.sign_out(flow.agent, page)
    assert flow.agent.visited[-1] == goodbye + "?state=at-home"
    request = wait_until(lambda: [r for r in backend.requests if r.method == "POST" and r.is_complete], "its word")[0]
    assert request.target == "/logout"
    token = claims_of(request.body.decode().removeprefix("logout_token="))
    assert token["sid"] == claims_of(tokens["id_token"])["sid"] and token["aud"] == client.client_id
    assert "http://schemas.openid.net/event/backchannel-logout" in token["events"] and "nonce" not in token
    # Logged out is logged out: the provider asks again who it is.
    with pytest.raises(AssertionError):
        begin(any_provider, client, agent=flow.agent).sign_in(person="nobody")


def test_what_they_do_differently(provider, second_provider, make_backend):
    def tokens_of(one):
        client = one.add(Client(redirect_uris=[CALLBACK], **CODE))
        flow = begin(one, client)
        return flow.tokens(), client
    first, _ = tokens_of(provider)
    second, client = tokens_of(second_provider)
    assert (first["token_type"], second["token_type"]) == ("Bearer", "bearer")
    assert "." not in first["access_token"] and second["access_token"].count(".") == 2
    assert "at_hash" not in claims_of(first["id_token"]) and "at_hash" in claims_of(second["id_token"])
    assert claims_of(first["id_token"])["sub"] == "alice" != claims_of(second["id_token"])["sub"]
    assert "azp" in claims_of(second["id_token"])
    renewed = second_provider.grant(client, "refresh_token", refresh_token=second["refresh_token"])[1]
    assert "id_token" not in renewed
    assert second_provider.grant(client, "refresh_token", refresh_token=second["refresh_token"]) == (400, None)
    says_iss = "authorization_response_iss_parameter_supported"
    assert provider.metadata()[says_iss] and says_iss not in second_provider.metadata()


# --- oidc-provider alone -------------------------------------------------------------------------------------------


def test_no_refresh_token_without_consent(provider):
    client = provider.add(Client(redirect_uris=[CALLBACK], **CODE))
    flow = CodeFlow(provider, client, scope="openid offline_access")
    assert "refresh_token" not in flow.tokens()


def test_strength_of_a_login(provider):
    client = provider.add(Client(redirect_uris=[CALLBACK], require_auth_time=True, **CODE))
    flow = CodeFlow(provider, client)
    weak = claims_of(flow.tokens()["id_token"])
    assert "acr" not in weak and weak["amr"] == ["pwd"] and weak["auth_time"]
    strong = claims_of(CodeFlow(provider, client, flow.agent, acr_values="urn:mfa").tokens()["id_token"])
    assert strong["acr"] == "urn:mfa" and strong["amr"] == ["pwd", "mfa"]
    assert "acr" not in claims_of(CodeFlow(provider, client, acr_values="urn:mfa").tokens("bob")["id_token"])


def test_introspection_and_exchange(provider):
    asker = provider.add(Client())
    url = provider.metadata()["introspection_endpoint"]
    token = provider.token(resource="https://orders.example", scope="orders:read")
    status, answer = post_form(url, asker, token=token)
    assert status == 200 and answer["active"] and answer["aud"] == "https://orders.example"
    assert answer["scope"] == "orders:read"
    assert post_form(url, asker, token="nonsense") == (200, {"active": False})

    person = CodeFlow(provider, provider.add(Client(redirect_uris=[CALLBACK], **CODE))).tokens()
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    gate = provider.add(Client(grant_types=[exchange], response_types=[]))
    kind = "urn:ietf:params:oauth:token-type:access_token"
    status, exchanged = provider.grant(gate, exchange, subject_token=person["access_token"], subject_token_type=kind,
                                       audience="https://stock.example", scope="stock:read")
    assert status == 200 and exchanged["issued_token_type"] == kind
    answer = post_form(url, asker, token=exchanged["access_token"])[1]
    assert answer["sub"] == "alice" and answer["aud"] == "https://stock.example" and answer["scope"] == "stock:read"
    assert provider.grant(gate, exchange, subject_token="nonsense", subject_token_type=kind,
                          audience="https://stock.example")[0] == 400


def test_signed_access_tokens(provider):
    token = provider.token(resource="https://signed.example", scope="orders:read orders:write")
    claims = verify_es256(token, Agent().ask("GET", provider.metadata()["jwks_uri"]).json())
    assert claims["aud"] == "https://signed.example" and claims["scope"] == "orders:read orders:write"


def test_keys_change(provider):
    client = provider.add(Client(redirect_uris=[CALLBACK], **CODE))
    flow = CodeFlow(provider, client)
    old = flow.tokens()["id_token"]
    provider.rotate_keys()
    new = CodeFlow(provider, client, flow.agent).tokens()["id_token"]
    keys = Agent().ask("GET", flow.metadata["jwks_uri"]).json()
    assert verify_es256(old, keys) and verify_es256(new, keys)
    provider.rotate_keys(keep="no")
    keys = Agent().ask("GET", flow.metadata["jwks_uri"]).json()
    with pytest.raises(StopIteration):
        verify_es256(new, keys)


def test_trouble(provider, tmp_path):
    agent = Agent()
    provider.trouble("jwks", "error", times=1)
    assert agent.ask("GET", provider.issuer + "/jwks").status == 503
    assert agent.ask("GET", provider.issuer + "/jwks").status == 200
    provider.trouble("all", "html")
    assert b"maintenance" in agent.ask("GET", provider.issuer + "/jwks").body
    provider.trouble("all", "cut")
    with pytest.raises((ConnectionError, wire.Closed)):
        agent.ask("GET", provider.issuer + "/jwks")
    provider.down()
    with pytest.raises(ConnectionRefusedError):
        Agent().ask("GET", provider.issuer + "/jwks")
    provider.up()
    provider.trouble("all")
    before = provider.count("jwks")
    assert Agent().ask("GET", provider.issuer + "/jwks").status == 200
    assert provider.count("jwks") == before + 1


def test_over_tls_and_with_claims_in_userinfo(tmp_path, authority, site_tls):
    certificate = authority.issue("provider", ["127.0.0.5"])
    provider = OidcProvider(tmp_path, "127.0.0.5", certificate, id_token_claims="few")
    try:
        assert provider.issuer.startswith("https://127.0.0.5:")
        agent = Agent(site_tls)
        metadata = agent.ask("GET", provider.issuer + "/.well-known/openid-configuration").json()
        assert metadata["issuer"] == provider.issuer and metadata["token_endpoint"].startswith(provider.issuer)
    finally:
        provider.stop()


def test_ends_sessions_when_told(provider, backend):
    client = provider.add(Client(redirect_uris=[CALLBACK], backchannel_logout_session_required=True,
                                 backchannel_logout_uri=f"http://{backend.address}/logout", **CODE))
    flow = begin(provider, client)
    tokens = flow.tokens("bob")
    assert provider.end_sessions("bob") == [{"client": client.client_id}]
    token = claims_of(backend.requests[0].body.decode().removeprefix("logout_token="))
    assert token["sid"] == claims_of(tokens["id_token"])["sid"]
    assert provider.grant(client, "refresh_token", refresh_token=tokens["refresh_token"])[0] == 400


# --- The browser ---------------------------------------------------------------------------------------------------


def test_browser_logs_in(browser, provider, make_backend):
    page = make_backend(lambda call: call.respond(200, [("Content-Type", "text/html")], b"<h1>Back</h1>"))
    callback = f"http://app.localhost:{page.port}/callback"
    client = provider.add(Client(redirect_uris=[callback], **CODE))
    flow = CodeFlow(provider, client)
    browser.open(with_query(flow.metadata["authorization_endpoint"], **flow.parameters))
    browser.screenshot("provider-login")
    assert "Who are you?" in browser.text and browser.url.startswith(provider.issuer)
    browser.sign_in("alice")
    assert browser.url.startswith(callback) and browser.text == "Back"
    answer = query_of(browser.url)
    assert answer["state"] == flow.state and flow.redeem(answer["code"])[0] == 200
    assert "_session" in browser.cookies()
    assert browser.fetch("/api", method="POST", body="x")["status"] == 200
    assert page.requests[-1].header("sec-fetch-site") == "same-origin"
    assert "error" in browser.fetch(provider.issuer + "/session/end")  # another origin, which does not allow it
