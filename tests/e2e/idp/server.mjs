// An identity provider for the end-to-end tests. Settings come as JSON on standard input; what it listens on goes to
// standard output as one line of JSON. Beside the provider there is a control listener, where tests add clients,
// change keys, end sessions, make trouble and read what was asked.
//
//   { "address": "127.0.0.2", "tls": { "certificate": PATH, "key": PATH }, "people": {...}, "resources": {...} }

import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import { serveInteraction } from './login.mjs';
import { makeKeys, makeProvider } from './provider.mjs';
import { Store } from './store.mjs';
import { Trouble, endpointOf } from './trouble.mjs';

const settings = JSON.parse(fs.readFileSync(0));
settings.people ??= {};
settings.resources ??= {};

const store = new Store();
const trouble = new Trouble();
let asked = []; // { endpoint, parameters, authorization, status }
let serial = 0;
let keys = await makeKeys(serial);
let provider;

const open = settings.tls ? https.createServer(readTls(settings.tls), serve) : http.createServer(serve);
const port = await listen(open, settings.address, 0);
const issuer = `${settings.tls ? 'https' : 'http'}://${settings.address}:${port}`;
renew(keys);
const control = http.createServer(command);
console.log(JSON.stringify({ issuer, control: await listen(control, '127.0.0.1', 0) }));

// Another provider of the same memory and the keys given.
function renew(jwks) {
  provider = makeProvider({ issuer, settings, store, keys: jwks });
  provider.use(note);
  provider.on('server_error', (_ctx, error) => console.error(error));
}

async function note(ctx, next) {
  try {
    await next();
  } finally {
    asked.push({ endpoint: endpointOf(ctx.path), parameters: { ...ctx.oidc?.params ?? ctx.query },
      authorization: ctx.get('authorization'), status: ctx.status });
  }
}

async function serve(request, response) {
  if (await trouble.takes(request, response)) return;
  if (!request.url.startsWith('/interaction/')) {
    provider.callback()(request, response);
    return;
  }
  try {
    await serveInteraction(provider, settings, request, response);
  } catch (error) {
    response.writeHead(400).end(error.message);
  }
}

function readTls({ certificate, key }) {
  return { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) };
}

function listen(server, address, wanted) {
  return new Promise((resolve) => server.listen(wanted, address, () => resolve(server.address().port)));
}

// --- Control ------------------------------------------------------------------------------------------------------

const COMMANDS = {
  async client(given) {
    const metadata = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
    await provider.Client.validate(metadata);
    store.set(`Client:${metadata.client_id}`, metadata);
  },

  // New keys sign from now on; old ones are published beside them or, with keep "no", gone.
  async rotate({ keep = 'yes' }) {
    serial += 1;
    const fresh = await makeKeys(serial);
    keys = keep === 'no' ? fresh : [...fresh, ...keys];
    renew(keys);
  },

  trouble({ endpoint, ...what }) {
    trouble.set(endpoint, what);
  },

  async down() {
    open.close();
    open.closeAllConnections();
  },

  async up() {
    await listen(open, settings.address, port);
  },

  // Ends all sessions of a person, as an administrator does, and says so to every client that wants to be told.
  async 'end-sessions'({ person }) {
    const told = [];
    for (const [, payload] of store.all('Session')) {
      if (payload.accountId !== person) continue;
      const session = await provider.Session.findByUid(payload.uid);
      for (const [id, { sid, grantId }] of Object.entries(session.authorizations ?? {})) {
        const client = await provider.Client.find(id);
        if (client.backchannelLogoutUri) {
          told.push(await client.backchannelLogout(person, sid).then(() => ({ client: id }),
            (error) => ({ client: id, error: error.message })));
        }
        await store.adapter('Grant').revokeByGrantId(grantId);
      }
      await session.destroy();
    }
    return told;
  },

  // As somebody does who stole them.
  'use-refresh-tokens'({ client }) {
    for (const [, payload] of store.all('RefreshToken')) {
      if (payload.clientId === client) payload.consumed = Math.floor(Date.now() / 1000);
    }
  },

  asked() {
    return asked;
  },

  // All that a test left behind.
  forget() {
    asked = [];
    trouble.clear();
    store.clear();
  },
};

async function command(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  try {
    const result = await COMMANDS[request.url.slice(1)](JSON.parse(Buffer.concat(parts).toString()));
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(result ?? null));
  } catch (error) {
    response.writeHead(500).end(String(error.error_description ?? error.stack));
  }
}
