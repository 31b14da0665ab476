"""Fixtures of everything that has to do with logging in: the identity providers, and gates that send people to them."""

import json

import pytest

from agent import NAVIGATION, Agent
from glewlwyd import Glewlwyd
from h2wire import client_tls
from identity import PEOPLE, Client, OidcProvider
from rogue import Rogue

OWN = "/.well-known/gatehouse/"
SESSION = "__Host-gatehouse.session."
LOGIN = "__Host-gatehouse.login."
HOSTS = ["app.localhost", "shop.localhost", "evil.localhost", "127.0.0.1"]

GATE_FILE = """\
listen:
  - address: "127.0.0.1:0"
    tls: { certificate: "%(certificate)s", key: "%(key)s" }
admin: { address: "127.0.0.1:0" }
workers: 2
log: { access: { file: access.log } }
providers:
%(providers)s%(more)s"""

PROVIDER = """\
  %(name)s:
    oidc:
      issuer: "%(issuer)s"
      client_id: "%(client_id)s"
%(options)s"""

# Pages of app.localhost: some for anybody, some for people, some for a group of them.
APP = """\
match: { host: app.localhost, path: / }
access:
  - { name: public, allow: anyone, on: "GET /public/**" }
  - { name: people, allow: { provider: staff }, on: "* /app/**" }
  - { name: support, allow: { provider: staff, groups: [support] }, on: "* /support/**" }
"""


class Site:
    """A gate that people log in to, with its client at each provider."""

    def __init__(self, gate, clients, tls):
        self.gate, self.clients, self.tls = gate, clients, tls
        self.agents = []

    @property
    def client(self):
        return next(iter(self.clients.values()))

    def url(self, path="/app/page", host="app.localhost"):
        return f"https://{host}:{self.gate.port}{path}"

    def own(self, name, host="app.localhost"):
        """An address of the gate's own: "login", "callback/staff", ..."""
        return self.url(OWN + name, host)

    def agent(self):
        self.agents.append(Agent(self.tls))
        return self.agents[-1]

    def close(self):
        for agent in self.agents:
            agent.close()

    def log_in(self, agent=None, url=None, person="alice", provider=None):
        """An agent that is logged in and at the page asked for, as (agent, that page)."""
        agent = agent or self.agent()
        provider = provider or self.provider
        page = agent.open(url or self.url())
        if not page.url.startswith(provider.issuer) and page.status == 200:
            return agent, page
        return agent, provider.sign_in(agent, page, person)

    def to_provider(self, agent, url=None):
        """Opens a page and stops where the gate sends the browser away: that address."""
        answer = agent.ask("GET", url or self.url(), NAVIGATION)
        target = agent.redirect_of(answer)
        assert target, answer
        return target



@pytest.fixture(scope="session")
def site_certificate(authority):
    return authority.issue("sites", HOSTS)


@pytest.fixture(scope="session")
def site_tls(authority):
    return client_tls(str(authority.certificate), alpn=("http/1.1",))


@pytest.fixture(scope="session")
def provider_process(tmp_path_factory, authority):
    provider = OidcProvider(tmp_path_factory.mktemp("idp"), authority=authority)
    yield provider
    provider.stop()


@pytest.fixture
def provider(provider_process):
    """oidc-provider."""
    provider_process.forget()
    yield provider_process
    provider_process.forget()


@pytest.fixture(scope="session")
def second_provider(tmp_path_factory):
    """Glewlwyd."""
    provider = Glewlwyd(tmp_path_factory.mktemp("glewlwyd"), PEOPLE)
    yield provider
    provider.stop()


@pytest.fixture(params=["oidc-provider", "glewlwyd"])
def any_provider(request):
    """Each of the real providers in turn."""
    return request.getfixturevalue("provider" if request.param == "oidc-provider" else "second_provider")


@pytest.fixture
def make_rogue():
    started = []

    def make(**options):
        started.append(Rogue(**options))
        return started[-1]

    yield make
    for rogue in started:
        rogue.stop()


@pytest.fixture
def rogue(make_rogue):
    return make_rogue()


def as_yaml(options, indent=6):
    return "".join(f"{' ' * indent}{name}: {json.dumps(value)}\n" for name, value in options.items())


@pytest.fixture
def make_site(make_gate, make_backend, site_certificate, site_tls):
    """make_site({name: provider}, services={...}) starts a gate before one backend whose people come from these
    providers (Rogue, OidcProvider or Glewlwyd), each of which is told of it. oidc: options of all oidc providers;
    client: metadata of the gate's client; gate: more of gatehouse.yaml."""
    sites = []

    def make(providers, services=None, oidc=(), client=(), gate="", backend=None, **options):
        backend = backend or make_backend()
        clients = {name: Client(**dict(client)) for name in providers}
        texts = []
        for name, provider in providers.items():
            settings = {"client_secret": clients[name].secret, "algorithms": ["ES256"], **dict(oidc)}
            texts.append(PROVIDER % {"name": name, "issuer": provider.issuer, "client_id": clients[name].client_id,
                                     "options": as_yaml({k: v for k, v in settings.items() if v is not None})})
        files = {f"services/{name}.yaml": text for name, text in (services or {"app": APP}).items()}
        files["gatehouse.yaml"] = GATE_FILE % {
            "certificate": site_certificate.certificate, "key": site_certificate.key,
            "providers": "".join(texts), "more": gate}
        local = {name: f'["{backend.address}"]' for name in services or {"app": APP}}
        site = Site(make_gate(files, [backend], local=local, **options), clients, site_tls)
        site.providers, site.provider = providers, next(iter(providers.values()))
        sites.append(site)
        for name, provider in providers.items():
            tell(provider, site, name)
        return site

    yield make
    for site in sites:
        site.close()


def tell(provider, site, name, hosts=("app.localhost", "shop.localhost")):
    """Registers the gate's client with the provider, now that its port is known."""
    if not hasattr(provider, "add"):
        return
    client = site.clients[name]
    client.redirect_uris = [site.own("callback/" + name, host) for host in hosts]
    client.metadata = {
        "id_token_signed_response_alg": "ES256",
        "backchannel_logout_uri": site.own("backchannel-logout/" + name, "127.0.0.1"),
        "backchannel_logout_session_required": True,
        "post_logout_redirect_uris": [site.own("logout", host) for host in hosts], **client.metadata}
    provider.add(client)


