"""People log in: with each of the real providers, with an agent and with a browser, and land where they wanted."""

import json

import pytest

from agent import CALL, NAVIGATION, query_of
from browser import Browser
from identity import PEOPLE, OidcProvider
from logins import APP, LOGIN, SESSION
from tokens import verify_es256

RENEWABLE = {"prompt": "consent"}  # oidc-provider gives refresh tokens only to whom it asked for consent


def assertion_of(site, request):
    """The claims of the signed assertion that a backend was given."""
    return verify_es256(request.header("gatehouse-identity"), site.agent().ask("GET", site.own("jwks.json")).json())


# --- Logging in ----------------------------------------------------------------------------------------------------


def test_lands_on_the_page_asked_for(make_site, any_provider):
    site = make_site({"staff": any_provider}, oidc=RENEWABLE)
    asked = site.url("/app/orders/7?page=2&q=a%2Fb&q=%C3%A9")
    agent, page = site.log_in(url=asked)
    assert page.status == 200 and page.url == asked
    [request] = site.backend.requests
    assert request.target == "/app/orders/7?page=2&q=a%2Fb&q=%C3%A9"
    assert request.header("cookie") is None  # ours are nobody else's business
    claims = assertion_of(site, request)
    assert claims["groups"] == PEOPLE["alice"]["groups"] and claims["email"] == "alice@example.com"
    assert claims["provider"] == "staff"
    # Asked once: from here on the cookie says who it is.
    agent.visited.clear()
    assert agent.open(site.url("/app/other")).status == 200 and len(agent.visited) == 1
    record = site.gate.record(page)
    assert record["identity"]["provider"] == "staff" and record["identity"]["subject"] == claims["sub"]


def test_what_the_provider_is_asked(make_site, provider):
    site = make_site({"staff": provider}, oidc=RENEWABLE)
    target = site.to_provider(site.agent())
    assert target.startswith(provider.issuer + "/auth?")
    query = query_of(target)
    assert query["response_type"] == "code" and query["client_id"] == site.client.client_id
    assert query["redirect_uri"] == site.own("callback/staff")
    assert query["code_challenge_method"] == "S256" and len(query["code_challenge"]) == 43
    assert len(query["state"]) >= 43 and len(query["nonce"]) >= 43 and query["state"] != query["nonce"]
    assert query["scope"].split()[0] == "openid" and "offline_access" in query["scope"].split()
    assert query["prompt"] == "consent"
    again = query_of(site.to_provider(site.agent()))
    assert not {query[n] for n in ("state", "nonce", "code_challenge")} & {again[n] for n in
                                                                           ("state", "nonce", "code_challenge")}


def test_cookies(make_site, provider):
    site = make_site({"staff": provider})
    agent = site.agent()
    page = agent.open(site.url())
    login = agent.cookie(LOGIN)
    assert login and not agent.cookies_of(SESSION)
    for name, value in {"httponly": "", "secure": "", "samesite": "Lax", "path": "/"}.items():
        assert login.attributes[name] == value
    page = provider.sign_in(agent, page)
    assert page.status == 200
    session = agent.cookie(SESSION)
    assert session.name == SESSION + "staff"
    for name, value in {"httponly": "", "secure": "", "samesite": "Lax", "path": "/"}.items():
        assert session.attributes[name] == value
    assert not agent.cookies_of(LOGIN)  # done with
    assert "alice" not in session.value
    assert page.header("cache-control") is None  # the page is the backend's, as it came


@pytest.mark.parametrize("method, headers", [
    ("GET", {"Accept": "application/json"}),
    ("GET", {"Accept": "*/*"}),
    ("GET", {}),
    ("GET", CALL),
    ("GET", {**NAVIGATION, "Sec-Fetch-Mode": "cors"}),
    ("POST", NAVIGATION),
    ("PUT", {"Accept": "text/html"}),
], ids=["json", "anything", "nothing", "script", "script-html", "form", "put"])
def test_programs_are_not_sent_away(make_site, provider, method, headers):
    site = make_site({"staff": provider})
    agent = site.agent()
    answer = agent.ask(method, site.url(), headers, b"" if method != "GET" else None)
    assert answer.status == 401 and answer.header("location") is None and not agent.cookies
    assert "Bearer" in ", ".join(answer.all("www-authenticate"))
    assert site.gate.record(answer)["reason"] == "credential_missing"
    assert not provider.asked("authorization") and not site.backend.requests


def test_public_pages_ask_nobody(make_site, provider):
    site = make_site({"staff": provider})
    agent = site.agent()
    assert agent.open(site.url("/public/news")).status == 200 and not agent.cookies
    site.log_in(agent)
    assert agent.open(site.url("/public/news")).status == 200


def test_who_may_not_is_told_so(make_site, provider):
    """Logged in as somebody who may not: logging in once more would not help, and is not asked for."""
    site = make_site({"staff": provider})
    agent, page = site.log_in(url=site.url("/support/tickets"), person="bob")
    assert page.status == 403 and page.header("content-type").startswith("text/html")
    assert site.gate.record(page)["reason"] == "rule_denied"
    assert agent.open(site.url("/app/page")).status == 200
    assert site.log_in(url=site.url("/support/tickets"), person="alice")[1].status == 200


def test_refused_by_the_person(make_site, provider):
    site = make_site({"staff": provider})
    agent = site.agent()
    page = agent.submit(agent.open(site.url()), refuse="yes")
    assert page.status == 403 and page.url.startswith(site.own("callback/staff"))
    assert page.header("content-type").startswith("text/html")
    record = site.gate.record(page)
    assert record["reason"] == "login_refused" and "access_denied" in record["detail"]
    assert not agent.cookies_of(SESSION)


def test_begun_by_a_link(make_site, provider):
    site = make_site({"staff": provider})
    agent, page = site.log_in(url=site.own("login?to=%2Fapp%2Fx%3Fy%3D1"))
    assert page.status == 200 and page.url == site.url("/app/x?y=1")


# --- Several at once -----------------------------------------------------------------------------------------------


def test_several_tabs(make_site, provider):
    """Logins begun in several tabs end each at its own page, in whatever order."""
    site = make_site({"staff": provider})
    agent = site.agent()
    pages = [agent.open(site.url(f"/app/{n}")) for n in range(3)]
    assert len(agent.cookies_of(LOGIN)) == 3
    for n in (2, 0, 1):
        page = provider.sign_in(agent, pages[n]) if n == 2 else agent.open(pages[n].url)
        assert page.status in (200, 401)
    assert agent.open(site.url("/app/0")).status == 200


def test_logins_under_way_are_few(make_site, provider):
    """A browser that is sent away again and again keeps no pile of cookies."""
    site = make_site({"staff": provider})
    agent = site.agent()
    for n in range(12):
        page = agent.open(site.url(f"/app/{n}"))
        assert len(agent.cookies_of(LOGIN)) <= 4
    assert provider.sign_in(agent, page).status == 200


def test_hosts_are_apart(make_site, provider):
    services = {"app": APP, "shop": APP.replace("app.localhost", "shop.localhost")}
    site = make_site({"staff": provider}, services)
    agent, _ = site.log_in()
    agent.visited.clear()
    page = agent.open(site.url("/app/cart", "shop.localhost"))
    assert page.status == 200  # the provider knows the person: sent there and back without a question
    assert any(url.startswith(provider.issuer) for url in agent.visited)
    assert {c.host for c in agent.cookies_of(SESSION)} == {"app.localhost", "shop.localhost"}


TWO = """\
match: { host: app.localhost, path: / }
access:
  - { name: people, allow: { provider: staff }, on: "* /app/**" }
  - { name: partners, allow: { provider: partners }, on: "* /app/**" }
"""


def test_choice_of_provider(make_site, provider, second_provider, browser):
    site = make_site({"staff": provider, "partners": second_provider}, {"app": TWO}, oidc={"label": None})
    agent = site.agent()
    page = agent.open(site.url("/app/page?x=1"))
    assert page.status == 200 and page.url.startswith(site.own("login")) and not agent.cookies_of(LOGIN)
    text = page.body.decode()
    assert "staff" in text and "partners" in text
    browser.open(site.url("/app/page?x=1"))
    browser.screenshot("choose-provider")
    for name, one in (("staff", provider), ("partners", second_provider)):
        agent = site.agent()
        page = agent.open(site.own(f"login?to=%2Fapp%2Fpage%3Fx%3D1&provider={name}"))
        assert page.url.startswith(one.issuer.removesuffix("/api/oidc"))
        page = one.sign_in(agent, page)
        assert page.status == 200 and page.url == site.url("/app/page?x=1")
        assert [c.name for c in agent.cookies_of(SESSION)] == [SESSION + name]


# --- Who it is -----------------------------------------------------------------------------------------------------

GROUPED = """\
match: { host: app.localhost, path: / }
access:
  - { name: support, allow: { provider: staff, groups: [support] } }
"""


@pytest.mark.parametrize("names", [
    {"groups_claim": "groups"},
    {"groups_claim": "realm_access.roles"},
    {"groups_claim": "https://claims.example/groups"},
    {"groups_claim": "roles", "groups_separator": " "},
], ids=["list", "nested", "namespaced", "separated"])
def test_groups_of_any_shape(make_site, provider, names):
    site = make_site({"staff": provider}, {"app": GROUPED}, oidc=names)
    assert site.log_in(person="alice")[1].status == 200
    assert site.log_in(person="bob")[1].status == 403


def test_claims_from_userinfo_over_tls(make_site, tmp_path, authority):
    """A provider that keeps claims out of its ID tokens, behind a certificate of an authority of one's own."""
    certificate = authority.issue("userinfo", ["127.0.0.6"])
    provider = OidcProvider(tmp_path, "127.0.0.6", certificate, authority, id_token_claims="few")
    try:
        site = make_site({"staff": provider}, {"app": GROUPED}, oidc={"userinfo": "on"},
                         gate=f"fetch: {{ ca: \"{authority.certificate}\" }}\n")
        site.tls.load_verify_locations(str(authority.certificate))
        assert site.log_in()[1].status == 200
        assert provider.count("userinfo") == 1
    finally:
        provider.stop()


def test_claims_too_many_for_a_cookie(make_site, provider):
    site = make_site({"staff": provider}, {"app": GROUPED})
    agent, page = site.log_in(person="carol")
    assert page.status == 200
    assert len(agent.cookie(SESSION).value) < 4096
    assert agent.open(site.url()).status == 200
    assert assertion_of(site, site.backend.requests[-1])["sub"] == "carol"


@pytest.mark.parametrize("shows", ["basic", "post", "public"])
def test_how_the_gate_shows_itself(make_site, provider, shows):
    metadata = {"basic": {}, "post": {"token_endpoint_auth_method": "client_secret_post"}, "public": {"secret": ""}}
    oidc = {"basic": {}, "post": {"client_auth": "post"}, "public": {"client_secret": None}}
    site = make_site({"staff": provider}, client=metadata[shows], oidc=oidc[shows])
    assert site.log_in()[1].status == 200
    [asked] = provider.asked("token")
    assert asked["authorization"].startswith("Basic ") == (shows == "basic")
    assert len(asked["parameters"]["code_verifier"]) >= 43


# --- In a browser --------------------------------------------------------------------------------------------------

PAGE = b"""<!doctype html><title>Orders</title><h1>Orders</h1>"""


def serve_app(call):
    """A page, and what it calls."""
    if call.request.target.startswith("/app/page"):
        call.respond(200, [("Content-Type", "text/html")], PAGE)
    else:
        call.describe()


def test_browser(make_site, make_backend, provider, browser: Browser):
    site = make_site({"staff": provider}, backend=make_backend(serve_app), oidc=RENEWABLE)
    browser.open(site.url("/app/page?view=all"))
    assert "Who are you?" in browser.text
    browser.sign_in("alice")
    assert browser.url == site.url("/app/page?view=all") and browser.title == "Orders"
    browser.screenshot("logged-in")

    # What the page calls is called with the session.
    assert browser.fetch("/app/api")["status"] == 200
    answer = browser.fetch("/app/api", method="POST", body="x")
    assert answer["status"] == 200 and json.loads(answer["body"])["method"] == "POST"
    assert browser.fetch("/support/api")["status"] == 200

    kept = browser.cookies()
    session = kept[SESSION + "staff"]
    assert session["httpOnly"] and session["secure"] and session["sameSite"] == "Lax" and session["path"] == "/"
    assert not [name for name in kept if name.startswith(LOGIN)]
    assert "gatehouse" not in browser.script("return document.cookie")

    # Another tab is logged in as well.
    browser.new_tab()
    browser.open(site.url("/app/page?tab=2"))
    assert browser.title == "Orders"
    browser.open(site.own("session"))
    assert "alice" in browser.text.lower()
    browser.screenshot("session")


def test_browser_in_several_tabs(make_site, make_backend, provider, browser: Browser):
    site = make_site({"staff": provider}, backend=make_backend(serve_app))
    first = browser.tab()
    browser.open(site.url("/app/page?tab=1"))
    second = browser.new_tab()
    browser.open(site.url("/app/page?tab=2"))
    browser.show_tab(first)
    browser.sign_in("alice")
    assert browser.url == site.url("/app/page?tab=1")
    browser.show_tab(second)
    browser.sign_in("alice")
    assert browser.url == site.url("/app/page?tab=2") and browser.title == "Orders"


def test_pages_for_people(make_site, make_backend, provider, browser: Browser):
    """What a person sees when it does not go well: a page, in words, with the reason's name and the request's id."""
    site = make_site({"staff": provider}, backend=make_backend(serve_app))
    browser.open(site.url("/support/page"))
    browser.sign_in("bob")
    assert "rule_denied" in browser.text
    browser.screenshot("denied")
    browser.open(site.own("callback/staff?code=x&state=y"))
    assert "login_state_invalid" in browser.text
    browser.screenshot("login-state-invalid")


