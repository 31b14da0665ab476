"""Sessions over their life: renewed unseen, ended here, at the provider and by it, kept over restarts and shared."""

import concurrent.futures
import subprocess
import time

import pytest

from agent import with_query
from backend import unused_port
from gate import wait_until
from identity import Client, CodeFlow
from logins import APP, SESSION
from ws_wire import CLOSE, Client as WebSocketClient, echo

RENEWABLE = {"prompt": "consent"}  # oidc-provider gives refresh tokens only to whom it asked for consent


def call(site, agent, path="/app/api", method="GET"):
    return agent.call(site.url(path), method)


def refreshes(provider):
    return [entry for entry in provider.asked("token") if entry["parameters"]["grant_type"] == "refresh_token"]


def crowd(site, agent, count=6):
    """Agents with the same session on connections of their own, so that every worker has some of them."""
    agents = []
    for _ in range(count):
        other = site.agent()
        other.cookies = list(agent.cookies)
        agents.append(other)
    return agents


def ended(site, agents):
    """Every one of them is refused as somebody whose session ended; and this on all workers."""
    for agent in agents:
        answer = call(site, agent)
        assert answer.status == 401 and answer.reason == "session_ended", answer
    return True


# --- Renewal -------------------------------------------------------------------------------------------------------


def test_renewed_unseen(make_site, provider):
    """Over several lives of the access token every call is answered, and the provider is asked for the tokens only."""
    site = make_site({"staff": provider}, oidc=RENEWABLE, client={"access_token_seconds": 3})
    agent, _ = site.log_in()
    first = agent.cookie(SESSION).value
    until = time.monotonic() + 7
    while time.monotonic() < until:
        assert call(site, agent).status == 200
        time.sleep(0.1)
    assert len(refreshes(provider)) >= 2 and all(r["status"] == 200 for r in refreshes(provider))
    assert provider.count("authorization") == 2  # there, and back from the login page
    assert agent.cookie(SESSION).value != first
    used = [r["parameters"]["refresh_token"] for r in refreshes(provider)]
    assert len(set(used)) == len(used)  # each was used once


def test_one_renewal_at_a_time(make_site, provider):
    """However many requests come with a session whose tokens have ended: one of them is not two to the provider."""
    site = make_site({"staff": provider}, oidc=RENEWABLE, client={"access_token_seconds": 5})
    agent, _ = site.log_in()
    agents = crowd(site, agent, 20)
    for other in agents:
        assert call(site, other, "/public/x").status == 200  # connected
    provider.trouble("token", delay_ms=300)
    time.sleep(5.2)
    with concurrent.futures.ThreadPoolExecutor(len(agents)) as pool:
        answers = list(pool.map(lambda one: call(site, one), agents))
    assert {answer.status for answer in answers} == {200}
    assert len(refreshes(provider)) == 1
    assert all(one.cookie(SESSION).value != agent.cookie(SESSION).value for one in agents)
    # Whoever comes with the cookie from before is let in once more: tabs do not hear of each other's new cookies.
    late = site.agent()
    late.cookies = list(agent.cookies)
    assert call(site, late).status == 200 and len(refreshes(provider)) == 1


def test_not_renewed_any_more(make_site, provider):
    """The provider takes the right to renew away: the session ends with its tokens, and says why."""
    site = make_site({"staff": provider}, oidc=RENEWABLE,
                     client={"access_token_seconds": 2, "backchannel_logout_uri": None})
    agent, _ = site.log_in()
    agents = crowd(site, agent)
    provider.end_sessions("alice")
    wait_until(lambda: call(site, agent).status == 401, "the session's end")
    assert ended(site, agents)
    page = agent.open(site.url())
    assert page.url.startswith(provider.issuer)  # a person is sent to log in again
    assert provider.sign_in(agent, page).status == 200


def test_without_renewal_it_ends_with_its_tokens(make_site, provider):
    site = make_site({"staff": provider}, client={"access_token_seconds": 4})
    agent, _ = site.log_in()
    assert call(site, agent).status == 200
    time.sleep(4.2)
    assert ended(site, [agent])
    # A page that a person goes to passes by the provider, which knows them, and is there again.
    page = agent.open(site.url("/app/page?x=1"))
    assert page.status == 200 and page.url == site.url("/app/page?x=1")
    assert call(site, agent).status == 200


def test_public_pages_stay_public_with_an_old_session(make_site, provider):
    site = make_site({"staff": provider}, client={"access_token_seconds": 2})
    agent, _ = site.log_in()
    time.sleep(2.2)
    answer = call(site, agent, "/public/x")
    assert answer.status == 200 and "identity" not in site.gate.record(answer)


# --- Ends ----------------------------------------------------------------------------------------------------------


def test_sign_out(make_site, any_provider):
    """Here and, by way of the provider, there; the cookie that was is worth nothing afterwards."""
    site = make_site({"staff": any_provider}, oidc=RENEWABLE)
    agent, _ = site.log_in()
    kept = crowd(site, agent)
    page = agent.submit(agent.open(site.own("session")))
    assert not agent.cookies_of(SESSION)
    assert page.url.startswith(any_provider.issuer.removesuffix("/api/oidc"))
    page = any_provider.sign_out(agent, page)
    assert page.url.startswith(site.own("logout")) and page.status == 200
    assert ended(site, kept)
    again = agent.open(site.url())
    assert again.url.startswith(any_provider.issuer.removesuffix("/api/oidc"))  # and asks who it is


def test_sign_out_everywhere(make_site, provider):
    site = make_site({"staff": provider}, oidc=RENEWABLE)
    laptop, _ = site.log_in()
    phone, _ = site.log_in()
    somebody, _ = site.log_in(person="bob")
    laptop.submit(laptop.open(site.own("session")), reach="everywhere")
    assert ended(site, crowd(site, phone))
    assert call(site, somebody).status == 200
    again, page = site.log_in()
    assert page.status == 200 and call(site, again).status == 200


def test_back_channel_logout(make_site, provider):
    """Ended by the provider: at once, for that person alone, on every worker."""
    site = make_site({"staff": provider}, oidc=RENEWABLE)
    agent, _ = site.log_in()
    other, _ = site.log_in(person="bob")
    agents = crowd(site, agent)
    for one in agents:
        assert call(site, one).status == 200
    assert provider.end_sessions("alice") == [{"client": site.client.client_id}]
    assert ended(site, agents)
    assert call(site, other).status == 200
    again, page = site.log_in()
    assert page.status == 200 and call(site, again).status == 200


def test_back_channel_logout_of_the_second_provider(make_site, second_provider):
    site = make_site({"staff": second_provider})
    agent, _ = site.log_in()
    agents = crowd(site, agent, 4)
    assert call(site, agent).status == 200
    # Signs out at another place where the same browser is logged in.
    other = second_provider.add(Client(redirect_uris=["https://app.localhost:4711/callback"]))
    flow = CodeFlow(second_provider, other, agent)
    page = agent.open(with_query(flow.metadata["end_session_endpoint"], id_token_hint=flow.tokens()["id_token"]))
    second_provider.sign_out(agent, page)
    wait_until(lambda: call(site, agent).status == 401, "the session's end")
    assert ended(site, agents)


STREAM = APP + """\
  - { name: stream, allow: { provider: staff }, on: "GET /stream" }
"""


def test_open_websocket_ends_with_the_session(make_site, make_backend, provider):
    site = make_site({"staff": provider}, {"app": STREAM}, backend=make_backend(echo))
    agent, _ = site.log_in()
    cookie = agent.cookie(SESSION)
    with WebSocketClient(site.gate.port, tls=site.tls, path="/stream", host=f"app.localhost:{site.gate.port}", extra=[
            ("Cookie", f"{cookie.name}={cookie.value}"), ("Origin", site.url("")),
            ("Sec-Fetch-Site", "same-origin")]) as socket:
        assert provider.end_sessions("alice") == [{"client": site.client.client_id}]
        assert socket.read_to_end()[0][-1].opcode == CLOSE
    record = wait_until(lambda: [r for r in site.gate.records() if r["path"] == "/stream"], "the tunnel's record")[0]
    assert record["reason"] == "access_withdrawn"


# --- What is kept --------------------------------------------------------------------------------------------------


def restart(site):
    port = site.gate.port
    site.gate.stop()
    text = (site.gate.folder / "gatehouse.yaml").read_text()
    site.gate.write("gatehouse.yaml", text.replace('"127.0.0.1:0"\n    tls', f'"127.0.0.1:{port}"\n    tls'))
    site.gate.start()


def test_kept_over_a_restart(make_site, provider):
    """Who is logged in stays so, with the right to renew; who was logged out stays out."""
    site = make_site({"staff": provider}, oidc=RENEWABLE, client={"access_token_seconds": 4}, balance=False)
    alice, _ = site.log_in()
    bob, _ = site.log_in(person="bob")
    provider.end_sessions("bob")
    restart(site)
    assert call(site, alice).status == 200
    assert ended(site, [bob])
    time.sleep(4.5)
    assert call(site, alice).status == 200 and refreshes(provider)


OLD = "an old secret, which is long enough by far"
NEW = "a new secret, which is long enough as well"


def test_secrets_are_replaced_without_logging_out(make_site, provider):
    site = make_site({"staff": provider}, gate='sessions: { secret: "${secret}" }\n', local={"secret": f'"{OLD}"'})
    agent, _ = site.log_in()
    environment = site.gate.folder / "environments/local.yaml"
    before, text = site.gate.generation(), environment.read_text()
    site.gate.write("environments/local.yaml", text.replace(f'"{OLD}"', f'["{NEW}", "{OLD}"]'))
    wait_until(lambda: site.gate.generation() > before, "the new secret")
    assert call(site, agent).status == 200
    fresh, _ = site.log_in(person="bob")
    before = site.gate.generation()
    site.gate.write("environments/local.yaml", text.replace(f'"{OLD}"', f'"{NEW}"'))
    wait_until(lambda: site.gate.generation() > before, "the old secret's end")
    answer = call(site, agent)
    assert answer.status == 401 and site.gate.record(answer)["reason"] == "session_invalid"
    assert call(site, fresh).status == 200


def test_reloads_disturb_nobody(make_site, provider):
    site = make_site({"staff": provider}, oidc=RENEWABLE)
    agent, _ = site.log_in()
    before = site.gate.generation()
    site.gate.write("services/app.yaml", APP + "  - { name: more, allow: { provider: staff }, on: \"* /more/**\" }\n")
    wait_until(lambda: site.gate.generation() > before, "the reload")
    assert call(site, agent).status == 200 and call(site, agent, "/more/x").status == 200



# --- Shared by several gates ---------------------------------------------------------------------------------------


@pytest.fixture
def redis_url(tmp_path):
    port = unused_port()
    process = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "",
                                "--dir", str(tmp_path), "--logfile", str(tmp_path / "redis.log")])
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


@pytest.fixture
def two_gates(make_site, provider, redis_url):
    """Two sites that are one to people: the same client, secret and store."""
    shared = {"gate": f'sessions: {{ secret: "${{secret}}", store: {{ redis: "{redis_url}" }} }}\n',
              "local": {"secret": f'"{OLD}"'}, "oidc": RENEWABLE}
    first = make_site({"staff": provider}, client={"access_token_seconds": 4}, **shared)
    return first, make_site({"staff": provider}, clients=first.clients, **shared)


def test_gates_share_sessions(two_gates, provider):
    first, second = two_gates
    agent, _ = first.log_in()
    until = time.monotonic() + 6
    while time.monotonic() < until:  # over the end of its tokens, at either
        assert call(first, agent).status == 200 and call(second, agent).status == 200
        time.sleep(0.1)
    used = [r["parameters"]["refresh_token"] for r in refreshes(provider)]
    assert used and len(set(used)) == len(used) and all(r["status"] == 200 for r in refreshes(provider))


def test_gates_share_ends(two_gates, provider):
    """The provider tells one of them; all of them know."""
    first, second = two_gates
    agent, _ = second.log_in()
    agents = crowd(second, agent, 6)
    for one in agents:
        assert call(second, one).status == 200
    assert provider.end_sessions("alice") == [{"client": first.client.client_id}]
    assert ended(first, [agent])
    for one in agents:
        wait_until(lambda: call(second, one).status == 401, "the other gate's hearing of it")
