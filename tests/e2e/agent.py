"""A browser without a screen: keeps cookies as RFC 6265bis has it, follows redirects, fills in forms, and says what a
browser says of itself (Sec-Fetch-*). Strict where a gate could get it wrong: a cookie that a browser would not take
fails the test. For pages and scripts there is a real one (browser.py)."""

import html.parser
import json
import re
import urllib.parse

import wire

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")  # RFC 6265 §4.1.1
COOKIE_BYTES_MAX = 4096
REDIRECTS_MAX = 20

# What a browser says of a page that a person goes to, and of a call that a page makes.
NAVIGATION = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Mode": "navigate",
              "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
CALL = {"Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}


class Cookie:
    def __init__(self, text, url):
        first, *rest = [part.strip() for part in text.split(";")]
        self.name, _, self.value = first.partition("=")
        self.attributes = {}
        for part in rest:
            name, _, value = part.partition("=")
            assert name.lower() not in self.attributes, f"{name} stands twice: {text}"
            self.attributes[name.lower()] = value
        assert TOKEN.fullmatch(self.name) and VALUE.fullmatch(self.value), f"not a cookie: {text!r}"
        assert len(text) <= COOKIE_BYTES_MAX, f"larger than every browser keeps ({len(text)} bytes): {self.name}"
        if self.name.startswith("__Host-"):
            assert "secure" in self.attributes and self.attributes.get("path") == "/", text
            assert "domain" not in self.attributes and is_trustworthy(url), (text, url.geturl())
        self.host = url.hostname
        self.path = self.attributes.get("path") or "/"

    @property
    def is_removed(self):
        return self.attributes.get("max-age") == "0" or "1970" in self.attributes.get("expires", "")

    def suits(self, url):
        # Of another port of the host too: cookies know no ports (RFC 6265 §8.5).
        path = url.path or "/"
        under = path == self.path or path.startswith(self.path.rstrip("/") + "/")
        return self.host == url.hostname and under and ("secure" not in self.attributes or is_trustworthy(url))


def is_trustworthy(url):
    """Where browsers take and send Secure cookies: over TLS, and on the machine itself."""
    return url.scheme == "https" or url.hostname.endswith("localhost") or url.hostname.startswith("127.")


class Form(html.parser.HTMLParser):
    """The first form of a page: where it goes and the fields it has."""

    def __init__(self, text):
        super().__init__()
        self.method, self.action, self.fields, self.found = "GET", None, {}, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form" and not self.found:
            self.found, self.method = True, attributes.get("method", "get").upper()
            self.action = attributes.get("action")
        elif tag == "input" and attributes.get("name"):
            self.fields[attributes["name"]] = attributes.get("value", "")


class Agent:
    def __init__(self, tls=None):
        self.tls = tls  # the context that https is spoken with
        self.cookies = []
        self.visited = []  # every URL asked for, oldest first
        self._clients = {}

    def close(self):
        for client in self._clients.values():
            client.close()
        self._clients = {}

    # --- What a person does ---

    def open(self, url, **options):
        """Goes to a page and wherever it sends the browser; the last answer, with its .url."""
        return self.follow(self.ask("GET", url, NAVIGATION, **options))

    def follow(self, answer, until=None):
        """Follows redirects; stops before one whose address begins with `until`."""
        for _ in range(REDIRECTS_MAX):
            target = self.redirect_of(answer)
            if target is None or (until and target.startswith(until)):
                return answer
            answer = self.ask("GET", target, {**NAVIGATION, "Sec-Fetch-Site": "cross-site"})
        raise AssertionError(f"sent round in a circle: {self.visited[-REDIRECTS_MAX:]}")

    def submit(self, page, until=None, **fields):
        """Fills in the page's form and follows where that leads."""
        form = Form(page.body.decode())
        assert form.found, f"no form at {page.url}: {page}"
        target = urllib.parse.urljoin(page.url, form.action or page.url)
        headers = {**NAVIGATION, "Origin": origin_of(page.url), "Sec-Fetch-Site": "same-origin"}
        return self.follow(self.post(target, {**form.fields, **fields}, headers), until)

    # --- What a page's script does ---

    def call(self, url, method="GET", body=None, headers=(), **options):
        headers = {**CALL, **({"Origin": origin_of(url)} if method not in ("GET", "HEAD") else {}), **dict(headers)}
        return self.ask(method, url, headers, body, **options)

    # --- One request ---

    def post(self, url, fields, headers=()):
        body = urllib.parse.urlencode(fields).encode()
        return self.ask("POST", url, {**dict(headers), "Content-Type": "application/x-www-form-urlencoded"}, body)

    def ask(self, method, url, headers=(), body=None, cookies=True):
        parts = urllib.parse.urlsplit(url)
        self.visited.append(url)
        headers = list(dict(headers).items())
        sent = "; ".join(f"{c.name}={c.value}" for c in self.cookies if c.suits(parts)) if cookies else ""
        if sent:
            headers.append(("Cookie", sent))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if isinstance(body, (dict, list)):
            headers.append(("Content-Type", "application/json"))
            body = json.dumps(body).encode()
        answer = self._exchange(parts, method, target, headers, body)
        answer.url = url
        for text in answer.all("set-cookie"):
            self._keep(Cookie(text, parts))
        return answer

    def _exchange(self, parts, method, target, headers, body):
        key = (parts.scheme, parts.hostname, parts.port)
        for attempt in ("kept", "new"):
            client = self._clients.get(key) if attempt == "kept" else None
            if client is None:
                client = self._clients[key] = self._connect(parts)
            try:
                answer = client.request(method, target, headers, body, host=parts.netloc)
            except (wire.Closed, ConnectionError):
                del self._clients[key]
                client.close()
                if attempt == "new":
                    raise
                continue
            if "close" in answer.header("connection", ""):
                self._clients.pop(key).close()
            return answer

    def _connect(self, parts):
        # Names are of this machine, whatever they are; addresses are taken as they stand.
        is_address = parts.hostname.replace(".", "").isdigit()
        client = wire.Client(parts.port, parts.hostname if is_address else "127.0.0.1")
        if parts.scheme == "https":
            client.socket = self.tls.wrap_socket(client.socket, server_hostname=parts.hostname)
        return client

    # --- Cookies ---

    def _keep(self, cookie):
        self.cookies = [c for c in self.cookies if (c.name, c.host, c.path) != (cookie.name, cookie.host, cookie.path)]
        if not cookie.is_removed:
            self.cookies.append(cookie)

    def cookie(self, prefix, host=None):
        """The one cookie whose name begins so; None when there is none."""
        found = self.cookies_of(prefix, host)
        assert len(found) <= 1, [c.name for c in found]
        return found[0] if found else None

    def cookies_of(self, prefix, host=None):
        return [c for c in self.cookies if c.name.startswith(prefix) and host in (None, c.host)]

    @staticmethod
    def redirect_of(answer):
        """Where the answer sends a browser, as a whole URL; None when it sends it nowhere."""
        if answer.status not in (301, 302, 303, 307, 308):
            return None
        return urllib.parse.urljoin(answer.url, answer.header("location"))


def origin_of(url):
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def query_of(url):
    """The query's parameters, each of which must stand once."""
    pairs = urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), url
    return dict(pairs)


def with_query(url, **changes):
    """The URL with parameters changed, added or (None) taken out."""
    parts = urllib.parse.urlsplit(url)
    query = {**dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True)), **changes}
    query = {name: value for name, value in query.items() if value is not None}
    return parts._replace(query=urllib.parse.urlencode(query)).geturl()
