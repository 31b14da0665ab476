// The provider itself: oidc-provider (OpenID-certified) with what the tests need of it switched on. What differs from
// client to client is said in the client's metadata, so that tests do not disturb each other.

import * as jose from 'jose';
import Provider, { interactionPolicy } from 'oidc-provider';

import { exchangeToken, kTokenExchange } from './exchange.mjs';

const COOKIE_KEYS = ['cookies of a provider for tests'];

// Metadata of a client of our own making: how long its access and ID tokens live, and whether its refresh tokens are
// replaced at each use.
const CLIENT_METADATA = ['access_token_seconds', 'id_token_seconds', 'refresh_token_seconds', 'rotates'];

export async function makeKeys(serial) {
  const pairs = [['RS256', { modulusLength: 2048 }], ['ES256', {}], ['Ed25519', {}]];
  return Promise.all(pairs.map(async ([alg, options]) => {
    const { privateKey } = await jose.generateKeyPair(alg, { ...options, extractable: true });
    return { ...await jose.exportJWK(privateKey), alg, use: 'sig', kid: `${alg}-${serial}` };
  }));
}

// settings: { people: { NAME: { claims } }, resources: { URI: { format, scope } }, id_token_claims: "all" | "few",
// acr_values }
export function makeProvider({ issuer, settings, store, keys }) {
  const provider = new Provider(issuer, {
    adapter: store.adapter,
    jwks: { keys },
    cookies: { keys: COOKIE_KEYS },
    // "few": claims of scopes stand in userinfo alone, as the standard has it for the code flow.
    conformIdTokenClaims: settings.id_token_claims === 'few',
    claims: {
      acr: null, auth_time: null, iss: null, sid: null,
      openid: ['sub', 'amr'],
      email: ['email', 'email_verified'],
      profile: ['name', 'preferred_username', 'groups', 'realm_access', 'https://claims.example/groups', 'roles'],
    },
    acrValues: settings.acr_values ?? [],
    scopes: ['openid', 'offline_access', 'profile', 'email'],
    extraClientMetadata: { properties: CLIENT_METADATA },
    async findAccount(_ctx, name) {
      const claims = settings.people[name];
      return claims && { accountId: name, claims: async () => ({ sub: name, ...claims }) };
    },
    async extraTokenClaims(_ctx, token) {
      return token.kind === 'AccessToken' ? { groups: settings.people[token.accountId]?.groups } : undefined;
    },
    interactions: { policy: interactions(), url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, uri) => resourceServer(uri, settings),
      },
    },
    ttl: {
      AccessToken: (_ctx, token, client) => token.resourceServer?.accessTokenTTL ?? client.access_token_seconds ?? 300,
      ClientCredentials: (_ctx, token, client) => client.access_token_seconds ?? 300,
      IdToken: (_ctx, _token, client) => client.id_token_seconds ?? 300,
      RefreshToken: (_ctx, _token, client) => client.refresh_token_seconds ?? 3600,
      AuthorizationCode: 60, Grant: 3600, Interaction: 600, Session: 3600,
    },
    rotateRefreshToken: (ctx) => ctx.oidc.client.rotates ?? true,
    // Of a test on this machine: the gate is on the loopback, and its certificate is of an authority that
    // NODE_EXTRA_CA_CERTS names.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
  });
  provider.registerGrantType(kTokenExchange, (ctx) => exchangeToken(ctx, settings, keys),
    ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope']);
  return provider;
}

export function resourceServer(uri, settings) {
  const { format, scope, seconds } = settings.resources[uri] ?? {};
  return { audience: uri, scope: scope ?? '', accessTokenFormat: format ?? 'opaque', accessTokenTTL: seconds,
    jwt: { sign: { alg: 'ES256' } } };
}

// A stronger login where one is asked for (acr_values) that the session does not show.
function interactions() {
  const { Check, base } = interactionPolicy;
  const policy = base();
  policy.get('login').checks.push(new Check('acr_values', 'a stronger login is asked for', ({ oidc }) => {
    const asked = oidc.params.acr_values?.split(' ') ?? [];
    const wanted = asked.length > 0 && !asked.includes(oidc.session.acr) && !oidc.result?.login;
    return wanted ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT;
  }));
  return policy;
}
