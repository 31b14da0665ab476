"""What somebody does who wants to be logged in as another, or another to be logged in as them. Each is refused with the
reason that says so, leaves no session behind and reaches no backend."""

import concurrent.futures
import json
from random import Random
import urllib.parse

import pytest

from agent import CALL, NAVIGATION, query_of, with_query
from gate import wait_until
from logins import APP, LOGIN, SESSION
from rogue import Rogue, send_json
from tokens import Issuer, encode, hmac_token, public_jwk

RENEWABLE = {"prompt": "consent"}


def refused(site, answer, status, reason, detail=None):
    """Says so to the person and in the record; nothing came of it."""
    assert answer.status == status, answer
    record = site.gate.record(answer)
    assert record["reason"] == reason, record
    if detail:
        assert detail in record["detail"], record
    assert not [text for text in answer.all("set-cookie") if text.startswith(SESSION) and "Max-Age=0" not in text]
    assert len(site.backend.requests) == site.requests_before
    return record


def callback(site, agent, url=None):
    """Where the provider would send the browser, without going there."""
    answer = agent.ask("GET", url or site.url(), NAVIGATION)
    answer = agent.follow(answer, until=site.own("callback"))
    target = agent.redirect_of(answer)
    assert target, answer
    return target


def go(agent, url, **headers):
    return agent.ask("GET", url, {**NAVIGATION, "Sec-Fetch-Site": "cross-site", **headers})


@pytest.fixture(scope="module")
def one_site(make_shared_site):
    rogue = Rogue()
    yield make_shared_site({"staff": rogue})
    rogue.stop()


@pytest.fixture
def site(one_site):
    """One gate for all, whose provider is honest when a test begins."""
    one_site.provider.reset()
    one_site.requests_before = len(one_site.backend.requests)
    yield one_site
    one_site.close()


@pytest.fixture
def rogue(site):
    return site.provider


# --- state, code and browser ---------------------------------------------------------------------------------------


def test_rogue_can_be_honest(site, rogue):
    agent = site.agent()
    assert go(agent, callback(site, agent)).status in (302, 303)
    assert agent.open(site.url()).status == 200


@pytest.mark.parametrize("changes", [
    {"state": "A" * 43}, {"state": ""}, {"state": None}, {"code": None}, {"code": ""},
    {"state": "A" * 5000}, {"state": "é"},
], ids=str)
def test_answer_with_another_state(site, rogue, changes):
    agent = site.agent()
    answer = go(agent, with_query(callback(site, agent), **changes))
    refused(site, answer, 400, "login_state_invalid")
    assert rogue.count("/token") == 0


@pytest.mark.parametrize("name", ["state", "code", "iss"])
def test_parameter_twice(site, rogue, name):
    agent = site.agent()
    target = callback(site, agent)
    answer = go(agent, target + "&" + urllib.parse.urlencode({name: query_of(target)[name]}))
    refused(site, answer, 400, "login_state_invalid")
    assert rogue.count("/token") == 0


def test_answer_in_another_browser(site, rogue):
    """Login CSRF: somebody's answer, sent to a browser that did not ask."""
    attacker, victim = site.agent(), site.agent()
    target = callback(site, attacker)
    refused(site, go(victim, target), 400, "login_state_invalid")
    victim.ask("GET", site.url(), NAVIGATION)  # has a login of its own under way
    refused(site, go(victim, target), 400, "login_state_invalid")
    assert rogue.count("/token") == 0 and not victim.cookies_of(SESSION)


def test_login_cookie_of_another_browser(site):
    """One login's cookie in the place of another's."""
    attacker, victim = site.agent(), site.agent()
    target = callback(site, attacker)
    callback(site, victim)
    attacker.cookie(LOGIN).value = victim.cookie(LOGIN).value
    refused(site, go(attacker, target), 400, "login_state_invalid")


def test_code_replayed(site, rogue):
    """The same answer again: from the same browser, and with the login's cookie put back."""
    agent = site.agent()
    target = callback(site, agent)
    login = agent.cookie(LOGIN)
    assert go(agent, target).status in (302, 303)
    refused(site, go(agent, target), 400, "login_state_invalid")
    agent.cookies.append(login)
    refused(site, go(agent, target), 400, "login_state_invalid")
    assert rogue.count("/token") == 1


def test_same_answer_many_times_at_once(site, rogue):
    """One of them counts."""
    agent = site.agent()
    target = callback(site, agent)
    agents = [site.agent() for _ in range(16)]
    for one in agents:
        one.cookies = list(agent.cookies)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: go(one, target), agents))
    assert sorted(answer.status for answer in answers)[0] in (302, 303)
    assert [answer.status for answer in answers].count(400) == 15 and rogue.count("/token") == 1


@pytest.mark.parametrize("what", ["name", "value"])
def test_login_cookie_changed(site, rogue, what):
    agent = site.agent()
    target = callback(site, agent)
    login = agent.cookie(LOGIN)
    text = getattr(login, what)
    setattr(login, what, text[:-1] + ("A" if text[-1] != "A" else "B"))
    refused(site, go(agent, target), 400, "login_state_invalid")
    assert rogue.count("/token") == 0


# --- Who answered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("iss", ["https://other.example", None, "", "{issuer}/", "{issuer}#"])
def test_answer_of_another_issuer(site, rogue, iss):
    """RFC 9207: an issuer that says it names itself in its answers is believed in nothing else."""
    agent = site.agent()
    changed = None if iss is None else iss.replace("{issuer}", rogue.issuer)
    refused(site, go(agent, with_query(callback(site, agent), iss=changed)), 403, "login_refused")
    assert rogue.count("/token") == 0


def test_mix_up(make_site, make_rogue):
    """The answer of one issuer, taken to another's callback: its code must not be shown to the wrong one."""
    honest, other = make_rogue(), make_rogue(address="127.0.0.5", index=1)
    other.metadata = {"authorization_response_iss_parameter_supported": None}
    service = APP.replace("{ provider: staff }", "{ provider: [staff, partners] }")
    site = make_site({"staff": honest, "partners": other}, {"app": service})
    agent = site.agent()
    target = callback(site, agent, site.own("login?to=%2Fapp%2Fx&provider=staff"))
    moved = target.replace("callback/staff", "callback/partners")
    assert moved != target
    refused(site, go(agent, moved), 400, "login_state_invalid")
    refused(site, go(agent, with_query(moved, iss=None)), 400, "login_state_invalid")
    assert other.count("/token") == 0


ID_TOKENS = [
    ("nonce", {"nonce": "another"}), ("nonce", {"nonce": None}), ("nonce", {"nonce": ""}),
    ("iss", {"iss": "https://other.example"}), ("iss", {"iss": None}),
    ("aud", {"aud": "another"}), ("aud", {"aud": None}), ("aud", {"aud": []}), ("aud", {"aud": ["another"]}),
    ("exp", {"exp": 1}), ("exp", {"exp": None}), ("exp", {"exp": "4102444800"}),
    ("iat", {"iat": 4102444800}), ("iat", {"iat": None}),
    ("sub", {"sub": None}), ("sub", {"sub": ""}),
    ("nbf", {"nbf": 4102444800}),
    ("azp", {"azp": "another"}),
    ("at_hash", {"at_hash": encode(b"0123456789abcdef")}),
]


@pytest.mark.parametrize("claim, changes", ID_TOKENS, ids=[f"{c}-{d[c]}" for c, d in ID_TOKENS])
def test_id_token_with_a_wrong_claim(site, rogue, claim, changes):
    rogue.claims = changes
    agent = site.agent()
    refused(site, go(agent, callback(site, agent)), 403, "login_refused")
    assert not agent.cookies_of(SESSION)


def test_id_token_for_several_needs_azp(site, rogue):
    rogue.claims = {"aud": [site.client.client_id, "another"]}
    agent = site.agent()
    refused(site, go(agent, callback(site, agent)), 403, "login_refused")
    rogue.claims["azp"] = site.client.client_id
    assert go(agent, callback(site, agent)).status in (302, 303)


def unsigned(header, claims):
    return f"{encode({'alg': 'none', 'typ': 'JWT'})}.{encode(claims)}."


def by_secret(rogue):
    """Signed with what everybody may read, as if it were a secret."""
    return lambda header, claims: hmac_token(json.dumps(rogue.signer.jwks(["ES256"])["keys"][0]).encode(),
                                             {"alg": "HS256", "typ": "JWT", "kid": "ES256-0"}, claims)


@pytest.mark.parametrize("forge", ["none", "hs256", "other key", "own key inside", "not allowed", "access token", "cut",
                                   "crit", "twice"])
def test_id_token_forged(site, rogue, forge):
    other = Issuer(rogue.issuer, index=9)
    if forge == "none":
        rogue.sign = unsigned
    elif forge == "hs256":
        rogue.sign = by_secret(rogue)
    elif forge == "other key":
        rogue.sign = lambda header, claims: other.token("ES256", {"kid": "ES256-0"}, json.dumps(claims))
    elif forge == "own key inside":
        jwk = public_jwk(other.key("ES256"), "ES256-9", "ES256")
        rogue.sign = lambda header, claims: other.token("ES256", {"jwk": jwk}, json.dumps(claims))
    elif forge == "not allowed":
        rogue.algorithm = "RS256"
    elif forge == "access token":
        rogue.header = {"typ": "at+jwt"}
    elif forge == "cut":
        rogue.sign = lambda header, claims: rogue.signer.token("ES256", payload=json.dumps(claims))[:-4]
    elif forge == "crit":
        rogue.header = {"crit": ["b64"], "b64": True}
    else:
        rogue.sign = lambda header, claims: rogue.signer.token(
            "ES256", payload=json.dumps(claims)[:-1] + ', "sub": "alice"}')
    agent = site.agent()
    answer = go(agent, callback(site, agent))
    if forge == "own key inside":  # under a name that is not in the set: as if the keys had just been replaced
        refused(site, answer, 503, "key_set_unavailable")
    else:
        refused(site, answer, 403, "login_refused")


@pytest.mark.parametrize("changes", [
    {"id_token": None}, {"id_token": ""}, {"id_token": 7}, {"access_token": None}, {"token_type": None},
    {"token_type": "mac"}], ids=str)
def test_token_answer_without_what_it_needs(site, rogue, changes):
    rogue.tokens = changes
    agent = site.agent()
    answer = go(agent, callback(site, agent))
    assert answer.status in (403, 503) and not agent.cookies_of(SESSION)


def test_userinfo_of_somebody_else(make_site, rogue):
    site = make_site({"staff": rogue}, oidc={"userinfo": "on"})
    rogue.scripts["/userinfo"] = lambda call: send_json(call, {"sub": "mallory", "groups": ["support"]})
    agent = site.agent()
    refused(site, go(agent, callback(site, agent)), 403, "login_refused")


# --- Where to afterwards -------------------------------------------------------------------------------------------

ELSEWHERE = ["https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/%5Cevil.example",
             "/%2F%2Fevil.example", "/%2Fevil.example", "/%09/evil.example", "/\t/evil.example", "/.//evil.example",
             "/..//evil.example", "/a/..//evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example",
             "http:evil.example", "///evil.example", "/ /evil.example", "/%0d%0aSet-Cookie:x=1", "/\u00a0/evil.example",
             "@evil.example", "/a\x00b", "", "?x=1",
             "/.well-known/gatehouse/login?to=/", "/.well-known/gatehouse/logout"]


@pytest.mark.parametrize("to", ELSEWHERE)
def test_login_does_not_lead_elsewhere(site, rogue, to):
    answer = site.agent().ask("GET", site.own("login?" + urllib.parse.urlencode({"to": to})), NAVIGATION)
    refused(site, answer, 400, "return_refused")
    assert answer.header("location") is None and rogue.count("/authorize") == 0


PIECES = ["/", "//", "\\", "%2f", "%5c", ".", "..", "%2e", "\t", "%09", "\n", "%0a", " ", "%20", "@", ":", "?", "#",
          ";", "evil.example", "a", "https:", "%00", "\u3002", "\uff0f", "\u00a0"]


def test_what_is_let_through_is_of_this_host_to_a_browser(site, browser):
    """Whatever the gate takes for a path of its host is one to a browser, which reads URLs in its own way."""
    random = Random(7)
    made = {random.choice(["/", "/", "/a", ""]) + "".join(random.choices(PIECES, k=random.randint(1, 4)))
            for _ in range(500)}
    agent, taken = site.agent(), []
    for to in sorted(made):
        answer = agent.ask("GET", site.own("login?" + urllib.parse.urlencode({"to": to})), NAVIGATION)
        assert answer.status in (302, 303, 400), (to, answer)
        if answer.status != 400:
            taken.append(to)
    assert 10 < len(taken) < len(made) / 2, taken
    hosts = browser.script("return arguments[0].map((to) => new URL(to, arguments[1]).origin)", taken, site.url("/"))
    assert set(hosts) == {site.url("")}, [to for to, host in zip(taken, hosts) if host != site.url("")]


def test_page_asked_for_is_no_way_out(site):
    """A path that a browser would read as another host, asked for itself."""
    agent = site.agent()
    for path in ("//evil.example/%2e%2e", "/app//evil.example", "/app/%2F%2Fevil.example"):
        answer = agent.ask("GET", site.url() .removesuffix("/app/page") + path, NAVIGATION)
        while (target := agent.redirect_of(answer)) is not None:
            host = urllib.parse.urlsplit(target).hostname
            assert host in ("app.localhost", "127.0.0.4"), (path, target)
            answer = agent.ask("GET", target, NAVIGATION)


# --- Sessions ------------------------------------------------------------------------------------------------------


def test_session_fixation(site, rogue):
    """A session that was there before the login is not the one after it."""
    attacker = site.log_in_by_redirects()
    planted = attacker.cookie(SESSION)
    victim = site.agent()
    victim.cookies.append(planted)
    rogue.person = "bob"
    target = callback(site, victim, site.own("login?to=%2Fapp%2Fx&provider=staff"))
    assert go(victim, target).status in (302, 303)
    assert victim.cookie(SESSION).value != planted.value
    subject = {agent: site.gate.record(agent.open(site.url()))["identity"]["subject"] for agent in (attacker, victim)}
    assert subject == {attacker: "alice", victim: "bob"}


def test_every_byte_of_the_cookie(site):
    """One bit of one byte is enough."""
    agent = site.log_in_by_redirects()
    good = agent.cookie(SESSION)
    head = f"{good.name}="
    client = site.raw()
    for place in range(len(good.value)):
        letter = good.value[place]
        value = good.value[:place] + ("A" if letter != "A" else "B") + good.value[place + 1:]
        answer = client.get("/app/api", [("Cookie", head + value)], host=site.authority)
        assert answer.status == 401 and answer.reason == "session_invalid", place
    for value in ("", "A", good.value[:-1], good.value + "A", good.value[1:], good.value * 2, "=" + good.value):
        answer = client.get("/app/api", [("Cookie", head + value)], host=site.authority)
        assert answer.status == 401, value
    assert client.get("/app/api", [("Cookie", head + good.value)], host=site.authority).status == 200


def test_cookie_twice(site):
    """Which of two would count is not to be guessed."""
    agent = site.log_in_by_redirects()
    good = agent.cookie(SESSION)
    both = f"{good.name}=AAAA; {good.name}={good.value}"
    answer = site.raw().get("/app/api", [("Cookie", both)], host=site.authority)
    assert answer.status == 401


def test_cookie_of_another_host_or_provider(make_site, make_rogue):
    honest, other = make_rogue(), make_rogue(address="127.0.0.5", index=1)
    services = {"app": APP, "shop": APP.replace("app.localhost", "shop.localhost"),
                "both": APP.replace("app.localhost", "evil.localhost").replace("staff", "partners")}
    site = make_site({"staff": honest, "partners": other}, services)
    agent = site.log_in_by_redirects()
    good = agent.cookie(SESSION)
    client = site.raw()
    for host, name in (("shop.localhost", good.name), ("evil.localhost", SESSION + "partners"),
                       ("evil.localhost", good.name)):
        answer = client.get("/app/api", [("Cookie", f"{name}={good.value}")], host=f"{host}:{site.gate.port}")
        assert answer.status == 401, (host, name)
    assert not site.gate.backends[0].paths().count("/app/api")


# --- Requests forged in a person's name ----------------------------------------------------------------------------

FOREIGN = "https://evil.localhost"
FORGED = [
    ("POST", {"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}, 403),
    ("POST", {"Origin": FOREIGN}, 403),
    ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("POST", {"Sec-Fetch-Site": "same-site"}, 403),
    ("POST", {"Origin": "null"}, 403),
    ("POST", {}, 403),
    ("PUT", {"Origin": FOREIGN}, 403),
    ("DELETE", {}, 403),
    ("PATCH", {"Origin": "{own}.evil.example"}, 403),
    ("POST", {"Origin": "http://{host}"}, 403),  # another scheme is another site
    ("POST", {"Origin": "{own}"}, 200),
    ("POST", {"Sec-Fetch-Site": "same-origin"}, 200),
    ("POST", {"Sec-Fetch-Site": "none"}, 200),
    ("GET", {"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}, 200),
    ("HEAD", {}, 200),
]


def test_forged_requests(site):
    agent = site.log_in_by_redirects()
    cookie = agent.cookie(SESSION)
    client = site.raw()
    for method, headers, status in FORGED:
        own = [(name, value.replace("{own}", f"https://{site.authority}").replace("{host}", site.authority))
               for name, value in headers.items()]
        answer = client.request(method, "/app/api", [("Cookie", f"{cookie.name}={cookie.value}"), *own],
                                b"x" if method not in ("GET", "HEAD") else None, host=site.authority)
        assert answer.status == status, (method, headers, answer)
        if status == 403:
            assert site.gate.record(answer)["reason"] == "cross_site_refused"


def test_pages_named_by_the_service_may(make_site, rogue):
    site = make_site({"staff": rogue}, {"app": APP + 'csrf: { origins: ["https://friend.example"] }\n'})
    agent = site.log_in_by_redirects()
    for origin, status in (("https://friend.example", 200), ("https://friend.example.evil.example", 403)):
        answer = agent.call(site.url("/app/api"), "POST", b"x",
                            {**CALL, "Origin": origin, "Sec-Fetch-Site": "cross-site"})
        assert answer.status == status, origin


ATTACK = b"""<!doctype html><title>Prizes</title><form method="post" action="%s"><input name="x" value="1"></form>"""


def test_forged_in_a_browser(make_site, make_backend, rogue, browser):
    """A page of another site submits a form and calls with credentials: the browser sends no cookie along (SameSite),
    and what it says of where the request comes from is enough without that."""
    site = make_site({"staff": rogue})
    browser.open(site.url("/app/page"))
    assert browser.url == site.url("/app/page")
    backend = site.gate.backends[0]
    before = len(backend.requests)
    action = site.url("/app/transfer").encode()
    page = make_backend(lambda call: call.respond(200, [("Content-Type", "text/html")], ATTACK % action))
    browser.open(f"http://evil.localhost:{page.port}/")
    browser.script("document.forms[0].submit()")
    wait_until(lambda: browser.url.startswith("https://app.localhost"), "the form to be sent")
    assert "transfer" not in "".join(backend.paths()[before:])
    browser.open(f"http://evil.localhost:{page.port}/")
    answer = browser.fetch(site.url("/app/transfer"), method="POST", mode="no-cors", credentials="include", body="x")
    assert answer.get("status", 0) == 0
    assert "transfer" not in "".join(backend.paths()[before:])
    reasons = [r["reason"] for r in site.gate.records() if r["path"] == "/app/transfer"]
    assert reasons and set(reasons) <= {"cross_site_refused", "credential_missing"}


def test_nobody_is_signed_out_by_another_site(site):
    agent = site.log_in_by_redirects()
    cookie = agent.cookie(SESSION)
    forged = {"Cookie": f"{cookie.name}={cookie.value}", "Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}
    for method in ("GET", "POST"):
        agent.ask(method, site.own("logout"), forged, b"" if method == "POST" else None, cookies=False)
    assert agent.call(site.url("/app/api")).status == 200


# --- Tokens --------------------------------------------------------------------------------------------------------


def test_refresh_token_stolen_and_used(make_site, provider):
    """Somebody used the refresh token: the provider takes the whole grant back, and the session ends."""
    site = make_site({"staff": provider}, oidc=RENEWABLE, client={"access_token_seconds": 2})
    agent, _ = site.log_in()
    tab = site.agent()
    tab.cookies = list(agent.cookies)
    provider.use_refresh_tokens(site.client)
    wait_until(lambda: agent.call(site.url("/app/api")).status == 401, "the session's end")
    answer = tab.call(site.url("/app/api"))
    assert answer.status == 401 and answer.reason == "session_ended"


def test_session_tokens_are_no_bearer_tokens(site):
    """A cookie's value in Authorization, and an ID token, open nothing."""
    agent = site.log_in_by_redirects()
    for token in (agent.cookie(SESSION).value, site.providers["staff"].id_token(site.client.client_id, None)):
        answer = site.agent().call(site.url("/app/api"), headers={"Authorization": f"Bearer {token}"})
        assert answer.status == 401


# --- Logout tokens -------------------------------------------------------------------------------------------------

EVENTS = {"http://schemas.openid.net/event/backchannel-logout": {}}
LOGOUT_TOKENS = {
    "none": ("none", {}), "other key": ("other key", {}), "hs256": ("hs256", {}),
    "wrong aud": (None, {"aud": "another"}), "no aud": (None, {"aud": None}),
    "wrong iss": (None, {"iss": "https://other.example"}), "no iss": (None, {"iss": None}),
    "nonce": (None, {"nonce": "x"}), "no events": (None, {"events": None}),
    "other event": (None, {"events": {"http://schemas.openid.net/event/other": {}}}),
    "events no object": (None, {"events": list(EVENTS)}),
    "no jti": (None, {"jti": None}), "nobody": (None, {"sub": None, "sid": None}),
    "expired": (None, {"exp": 1}), "of long ago": (None, {"iat": 1, "exp": None}), "no iat": (None, {"iat": None}),
    "of the future": (None, {"iat": 4102444800}),
}


@pytest.mark.parametrize("name", LOGOUT_TOKENS)
def test_logout_token_forged(site, rogue, name):
    how, changes = LOGOUT_TOKENS[name]
    agent = site.log_in_by_redirects()
    token = rogue.logout_token(site.client.client_id, **changes)
    if how == "none":
        token = unsigned({}, rogue.logout_claims(site.client.client_id))
    elif how == "other key":
        claims = rogue.logout_claims(site.client.client_id)
        header = {"kid": "ES256-0", "typ": "logout+jwt"}
        token = Issuer(rogue.issuer, index=9).token("ES256", header, json.dumps(claims))
    elif how == "hs256":
        token = by_secret(rogue)({}, rogue.logout_claims(site.client.client_id))
    answer = tell_logout(site, token)
    assert answer.status == 400 and answer.header("cache-control") == "no-store", answer
    assert agent.call(site.url("/app/api")).status == 200


def tell_logout(site, token, provider="staff", agent=None):
    return (agent or site.agent()).post(site.own("backchannel-logout/" + provider), {"logout_token": token})


def test_logout_token_that_is_right(site, rogue):
    agent = site.log_in_by_redirects()
    token = rogue.logout_token(site.client.client_id)
    answer = tell_logout(site, token)
    assert answer.status == 200 and answer.header("cache-control") == "no-store"
    answer = agent.call(site.url("/app/api"))
    assert answer.status == 401 and site.gate.record(answer)["reason"] == "session_ended"
    # The same once more, after the person logged in again: kept by somebody who saw it.
    again = site.log_in_by_redirects()
    assert tell_logout(site, token).status == 400
    assert again.call(site.url("/app/api")).status == 200


@pytest.mark.parametrize("keep", ["sub", "sid"])
def test_logout_token_of_a_session_or_a_person(site, rogue, keep):
    agent = site.log_in_by_redirects()
    rogue.person = "bob"
    other = site.log_in_by_redirects()
    token = rogue.logout_token(site.client.client_id, **{name: None for name in ("sub", "sid") if name != keep},
                               **{keep: "alice" if keep == "sub" else "sid-alice"})
    assert tell_logout(site, token).status == 200
    assert agent.call(site.url("/app/api")).status == 401 and other.call(site.url("/app/api")).status == 200


def test_logout_told_otherwise(site, rogue):
    """Anything but the form that the standard has."""
    token = rogue.logout_token(site.client.client_id)
    url, agent = site.own("backchannel-logout/staff"), site.log_in_by_redirects()
    for answer in (agent.ask("GET", with_query(url, logout_token=token)),
                   agent.ask("POST", with_query(url, logout_token=token), body=b""),
                   agent.ask("POST", url, {"Content-Type": "application/json"},
                             json.dumps({"logout_token": token}).encode()),
                   agent.post(url, {"logout_token": ""}), agent.post(url, {"logout_token": "A" * 100_000}),
                   tell_logout(site, token, "nobody")):
        assert answer.status in (400, 404, 405, 413), answer
    assert agent.call(site.url("/app/api")).status == 200


# --- Where the gate is sent ----------------------------------------------------------------------------------------


METADATA_SERVICES = ["http://169.254.169.254/latest/meta-data", "http://[::ffff:169.254.169.254]/x",
                     "http://0xa9fea9fe/x", "http://2852039166/x", "http://0.0.0.0/x", "http://[fe80::1]/x",
                     "http://100.100.100.200/x"]
WRONG = [{"issuer": "https://other.example"}, {"issuer": None}, {"authorization_endpoint": None},
         {"token_endpoint": "file:///etc/passwd"}, {"token_endpoint": "gopher://127.0.0.1/x"}, {"jwks_uri": None},
         {"authorization_endpoint": "javascript:alert(1)"}]
REDIRECTED = ["/jwks", "/.well-known/openid-configuration", "/token"]
OPEN = """\
match: { host: app.localhost, path: / }
access: [{ allow: anyone }]
"""


def test_where_discovery_leads(make_site, make_rogue, make_backend):
    """One gate, and a provider for each thing that may be wrong with its discovery document or its endpoints: nobody is
    logged in by any of them, and nothing goes where it is led."""
    target = make_backend()
    leads = [{endpoint: address} for endpoint in ("jwks_uri", "token_endpoint") for address in METADATA_SERVICES]
    rogues = {}
    for n, changes in enumerate([*leads, *WRONG, *REDIRECTED]):
        rogue = rogues[f"p{n}"] = make_rogue(address=f"127.0.1.{n + 1}")
        if isinstance(changes, dict):
            rogue.metadata = changes
        else:
            rogue.scripts[changes] = lambda call: call.respond(307, [("Location", f"http://{target.address}/secret")])
    site = make_site(rogues, {"app": OPEN})
    for n, changes in enumerate([*leads, *WRONG, *REDIRECTED]):
        agent = site.agent()
        answer = agent.open(site.own(f"login?to=%2Fx&provider=p{n}"))
        assert answer.status == 503 and not agent.cookies_of(SESSION), (changes, answer)
        reason = site.gate.record(answer)["reason"]
        assert reason == "identity_provider_unavailable", (changes, reason)
    assert not target.requests and not site.backend.requests
