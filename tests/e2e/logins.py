"""Fixtures of everything that has to do with logging in: the identity providers, and gates that send people to them."""

import contextlib
import json

import pytest

from agent import NAVIGATION, Agent
from glewlwyd import Glewlwyd
from h2wire import client_tls
from identity import PEOPLE, Client, OidcProvider
from rogue import Rogue
import wire

OWN = "/.well-known/gatehouse/"
SESSION = "__Host-gatehouse.session."
LOGIN = "__Host-gatehouse.login."
HOSTS = ["app.localhost", "shop.localhost", "evil.localhost", "127.0.0.1"]

GATE_FILE = """\
listen:
  - address: "127.0.0.1:0"
    tls: { certificate: "%(certificate)s", key: "%(key)s" }
  - address: "127.0.0.1:0"  # for providers that cannot be told of a test's authority
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

    def __init__(self, gate, providers, clients, tls):
        self.gate, self.providers, self.clients, self.tls = gate, providers, clients, tls
        self.agents = []
        self.requests_before = 0  # at the backend, when a test began that shares the site

    @property
    def provider(self):
        return next(iter(self.providers.values()))

    @property
    def client(self):
        return next(iter(self.clients.values()))

    def url(self, path="/app/page", host="app.localhost"):
        return f"https://{host}:{self.gate.port}{path}"

    def own(self, name, host="app.localhost"):
        """An address of the gate's own: "login", "callback/staff", ..."""
        return self.url(OWN + name, host)

    @property
    def authority(self):
        """What a client writes into Host."""
        return f"app.localhost:{self.gate.port}"

    @property
    def backend(self):
        return self.gate.backends[0]

    def raw(self):
        """A connection on which anything can be sent."""
        client = wire.Client(self.gate.port)
        client.socket = self.tls.wrap_socket(client.socket, server_hostname="app.localhost")
        self.agents.append(client)
        return client

    def agent(self):
        self.agents.append(Agent(self.tls))
        return self.agents[-1]

    def close(self):
        """The connections that tests made."""
        for agent in self.agents:
            agent.close()
        self.agents = []

    def log_in(self, agent=None, url=None, person="alice", provider=None):
        """An agent that is logged in and at the page asked for, as (agent, that page)."""
        agent = agent or self.agent()
        provider = provider or self.provider
        page = agent.open(url or self.url())
        if not page.url.startswith(provider.issuer) and page.status == 200:
            return agent, page
        return agent, provider.sign_in(agent, page, person)

    def log_in_by_redirects(self, url=None):
        """Likewise, where the provider asks nothing."""
        agent = self.agent()
        page = agent.open(url or self.url())
        assert page.status == 200 and agent.cookies_of(SESSION), page
        return agent

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


@contextlib.contextmanager
def site_maker(make_gate, make_backend, certificate, tls):
    sites = []

    def make(providers, services=None, oidc=(), client=(), gate="", backend=None, clients=None, told=True, local=(),
             **options):
        backend, services = backend or make_backend(), services or {"app": APP}
        clients = clients or {name: Client(**dict(client)) for name in providers}
        texts = []
        for name, provider in providers.items():
            settings = {"client_secret": clients[name].secret, "algorithms": ["ES256"], **dict(oidc)}
            texts.append(PROVIDER % {"name": name, "issuer": provider.issuer, "client_id": clients[name].client_id,
                                     "options": as_yaml({k: v for k, v in settings.items() if v is not None})})
        files = {f"services/{name}.yaml": text for name, text in services.items()}
        files["gatehouse.yaml"] = GATE_FILE % {"certificate": certificate.certificate, "key": certificate.key,
                                               "providers": "".join(texts), "more": gate}
        values = {**{name: f'["{backend.address}"]' for name in services}, **dict(local)}
        sites.append(Site(make_gate(files, [backend], local=values, **options), providers, clients, tls))
        for name in providers if told else ():
            tell(sites[-1], name)
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def make_site(make_gate, make_backend, site_certificate, site_tls):
    """make_site({name: provider}, services={...}) starts a gate before one backend whose people come from these
    providers (Rogue, OidcProvider or Glewlwyd), each of which is told of it. oidc: options of all oidc providers;
    client: metadata of the gate's client; gate: more of gatehouse.yaml; clients: of another gate, to be shared;
    told=False: the test tells the providers itself."""
    with site_maker(make_gate, make_backend, site_certificate, site_tls) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared_site(make_shared, site_certificate, site_tls):
    """make_site for sites that a whole module shares."""
    with site_maker(*make_shared, site_certificate, site_tls) as make:
        yield make


def tell(site, name, hosts=("app.localhost", "shop.localhost")):
    """Registers the gate's client with the provider, now that its port is known."""
    provider, client = site.providers[name], site.clients[name]
    if isinstance(provider, Rogue):
        return
    client.redirect_uris += [site.own("callback/" + name, host) for host in hosts]
    if provider.knows_authority:
        logout = site.own("backchannel-logout/" + name, "127.0.0.1")
    else:
        logout = f"http://127.0.0.1:{site.gate.port_of(1)}{OWN}backchannel-logout/{name}"
    defaults = {"id_token_signed_response_alg": "ES256", "backchannel_logout_uri": logout,
                "backchannel_logout_session_required": True, "post_logout_redirect_uris": []}
    client.metadata = {**defaults, **client.metadata}
    client.metadata["post_logout_redirect_uris"] += [site.own("logout", host) for host in hosts]
    provider.add(client)
