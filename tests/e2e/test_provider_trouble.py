"""The identity provider is down, slow, talks nonsense or changes its keys: who is logged in is not disturbed until
their tokens end; who is not gets a page that says why; and once it is well again, so is everything."""

import concurrent.futures
import time

import pytest

from agent import NAVIGATION
from gate import wait_until
from identity import OidcProvider
from logins import SESSION, tell
import wire

RENEWABLE = {"prompt": "consent"}
KINDS = ["error", "cut", "html", "half", "endless"]


@pytest.fixture
def shaky(tmp_path):
    """A provider of the test's own, to be stopped and started."""
    provider = OidcProvider(tmp_path, "127.0.0.7")
    yield provider
    provider.stop()


def unavailable(site, answer, reason="identity_provider_unavailable"):
    assert answer.status == 503 and answer.header("content-type").startswith("text/html"), answer
    assert site.gate.record(answer)["reason"] == reason
    assert reason.encode() in answer.body
    return answer


def test_down_at_the_gates_start(make_site, shaky):
    shaky.down()
    site = make_site({"staff": shaky}, told=False)
    agent = site.agent()
    assert agent.open(site.url("/public/x")).status == 200
    unavailable(site, agent.open(site.url()))
    shaky.up()
    wait_until(lambda: agent.ask("GET", site.url(), NAVIGATION).status in (302, 303), "the provider to be noticed")
    tell(site, "staff")
    assert site.log_in()[1].status == 200


def test_down_while_people_are_logged_in(make_site, shaky):
    site = make_site({"staff": shaky}, oidc=RENEWABLE, client={"access_token_seconds": 60})
    agent, _ = site.log_in()
    late = site.agent()
    page = late.open(site.url())  # at the provider's question when it goes down
    answer = late.post(page.url, {"login": "alice"}, NAVIGATION)
    answer = late.follow(answer, until=site.own("callback"))
    shaky.down()
    for _ in range(5):
        assert agent.call(site.url("/app/api")).status == 200
    assert agent.open(site.url("/app/page")).status == 200
    unavailable(site, late.ask("GET", late.redirect_of(answer), NAVIGATION))
    shaky.up()
    assert site.log_in()[1].status == 200


def test_down_when_tokens_end(make_site, shaky):
    """Nothing is renewed; the session waits for the provider until its tokens end, and no longer."""
    site = make_site({"staff": shaky}, oidc=RENEWABLE, client={"access_token_seconds": 4})
    agent, _ = site.log_in()
    shaky.down()
    assert agent.call(site.url("/app/api")).status == 200
    wait_until(lambda: agent.call(site.url("/app/api")).status != 200, "the tokens' end")
    answer = agent.call(site.url("/app/api"))
    assert answer.status == 503 and answer.reason == "identity_provider_unavailable"
    shaky.up()
    wait_until(lambda: agent.call(site.url("/app/api")).status == 200, "the renewal")


@pytest.mark.parametrize("kind", KINDS)
def test_nonsense_from_the_token_endpoint(make_site, provider, kind):
    site = make_site({"staff": provider})
    agent = site.agent()
    page = agent.open(site.url())
    provider.trouble("token", kind)
    unavailable(site, provider.sign_in(agent, page))
    assert not agent.cookies_of(SESSION)
    provider.trouble("token")
    assert agent.open(site.url()).status == 200


def garbage(call):
    call.respond(200, [("Content-Type", "application/json")], b'{"issuer": "http')


def endless(call):
    """More than anybody should read."""
    call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
    for _ in range(2000):
        call.send(b'"x":1,' * 2000)


NONSENSE = {"error": lambda call: call.respond(503), "cut": lambda call: call.close(), "garbage": garbage,
            "html": lambda call: call.respond(200, [("Content-Type", "text/html")], b"<html>Maintenance"),
            "endless": endless}
OPEN = """\
match: { host: app.localhost, path: / }
access: [{ allow: anyone }]
"""


def test_nonsense_at_the_gates_start(make_site, make_rogue):
    """Of discovery documents and keys; each provider is one to log in with as soon as it is well."""
    rogues = {}
    for n, (path, script) in enumerate((path, script) for path in ("/.well-known/openid-configuration", "/jwks")
                                       for script in NONSENSE.values()):
        rogues[f"p{n}"] = make_rogue(address=f"127.0.1.{n + 1}")
        rogues[f"p{n}"].scripts[path] = script
    site = make_site(rogues, {"app": OPEN})
    links = {name: site.own(f"login?to=%2Fx&provider={name}") for name in rogues}
    for name in rogues:
        unavailable(site, site.agent().open(links[name]))
    assert site.agent().open(site.url("/x")).status == 200
    for name, rogue in rogues.items():
        rogue.scripts.clear()
        wait_until(lambda: site.agent().open(links[name]).status == 200, f"{name}'s recovery")


def test_slow(make_site, provider):
    """Slower than the gate waits: an answer in time all the same; and others are not held up."""
    site = make_site({"staff": provider})
    agent = site.agent()
    page = agent.open(site.url())
    provider.trouble("token", "hang")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(provider.sign_in, agent, page)
        for _ in range(20):
            assert site.agent().call(site.url("/public/x")).status == 200
            time.sleep(0.01)
        unavailable(site, waiting.result())


def test_a_little_slow(make_site, provider):
    site = make_site({"staff": provider})
    for endpoint in ("token", "jwks", "discovery"):
        provider.trouble(endpoint, delay_ms=500)
    assert site.log_in()[1].status == 200


def test_keys_change_under_traffic(make_site, provider):
    """New keys from one moment to the next, the old ones gone: nobody notices, and the key set is fetched anew once."""
    site = make_site({"staff": provider}, oidc=RENEWABLE, client={"access_token_seconds": 3})
    agent, _ = site.log_in()
    until, rotated, fetched = time.monotonic() + 6, 0, provider.count("jwks")
    while time.monotonic() < until:
        if rotated == 0 or (rotated == 1 and time.monotonic() > until - 3):
            provider.rotate_keys(keep="no")
            rotated += 1
        assert agent.call(site.url("/app/api")).status == 200
        time.sleep(0.05)
    assert site.log_in(person="bob")[1].status == 200
    assert provider.count("jwks") - fetched <= 2 * rotated + 2


SIGNED = """\
providers:
  partners:
    jwt: { issuer: "%s", audience: ["https://signed.example"], jwks: "%s/jwks", algorithms: [ES256] }
"""
SERVICE = """\
match: { path: / }
access: [{ allow: { provider: partners, scopes: ["orders:read"] } }]
"""


def test_thousand_first_requests_fetch_keys_once(make_gate, backend, provider):
    provider.trouble("jwks", delay_ms=1000)
    gate = make_gate({"services/s.yaml": SERVICE}, [backend], gate=SIGNED % (provider.issuer, provider.issuer),
                     local={"s": f'["{backend.address}"]'})
    ask_a_thousand_times(gate, provider.token(resource="https://signed.example"))
    assert provider.count("jwks") == 1
    # Likewise for a key that is not in the set at hand, once that set is a second old.
    time.sleep(1.2)
    provider.rotate_keys()
    ask_a_thousand_times(gate, provider.token(resource="https://signed.example"))
    assert provider.count("jwks") == 2


def ask_a_thousand_times(gate, token):
    clients = [gate.client() for _ in range(1000)]
    for client in clients:
        client.send(wire.head("GET", "/", {"Authorization": "Bearer " + token}))
    statuses = {client.read_response().status for client in clients}
    for client in clients:
        client.close()
    assert statuses == {200}

