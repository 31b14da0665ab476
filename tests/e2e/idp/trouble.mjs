// The ways in which an endpoint can fail a caller.

const ENDPOINTS = [
  ['discovery', '/.well-known/openid-configuration'], ['jwks', '/jwks'], ['introspection', '/token/introspection'],
  ['revocation', '/token/revocation'], ['token', '/token'], ['userinfo', '/me'], ['end_session', '/session/end'],
  ['authorization', '/auth'], ['interaction', '/interaction'],
];

export function endpointOf(path) {
  const found = ENDPOINTS.find(([, prefix]) => path === prefix || path.startsWith(`${prefix}/`));
  return found?.[0] ?? 'other';
}

const KINDS = {
  hang() {}, // until the caller loses patience
  cut(request) { request.socket.destroy(); },
  error(_request, response) { response.writeHead(503).end('no'); },
  html(_request, response) {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html><body>Under maintenance</body></html>');
  },
  half(_request, response) {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 500 }).write('{"active": tr');
    setTimeout(() => response.destroy(), 50);
  },
  // More than anybody should read.
  endless(request, response) {
    response.writeHead(200, { 'Content-Type': 'application/json' }).write('{"keys": [');
    const more = () => { while (!response.destroyed && response.write('"x",'.repeat(16384))); };
    response.on('drain', more);
    more();
  },
};

export class Trouble {
  #set = new Map(); // endpoint or "all" -> { kind, times, delay_ms }

  // what: { kind, times } fails so, that many times (of one endpoint) or until cleared; { delay_ms } only takes its
  // time; nothing ends it.
  set(endpoint, what) {
    if (what.kind || what.delay_ms) this.#set.set(endpoint, what);
    else this.#set.delete(endpoint);
  }

  clear() {
    this.#set.clear();
  }

  // Whether the request was dealt with, badly.
  async takes(request, response) {
    const name = endpointOf(new URL(request.url, 'http://here').pathname);
    const what = this.#set.get(name) ?? this.#set.get('all');
    if (!what) return false;
    if (what.times !== undefined) {
      what.times -= 1;
      if (what.times <= 0) this.#set.delete(name);
    }
    if (what.delay_ms) await new Promise((resolve) => { setTimeout(resolve, what.delay_ms); });
    if (!what.kind) return false;
    KINDS[what.kind](request, response);
    return true;
  }
}
