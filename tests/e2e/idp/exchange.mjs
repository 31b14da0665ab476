// RFC 8693, which oidc-provider leaves to its users: an access token of this issuer for one that another service takes.

import * as jose from 'jose';
import { errors } from 'oidc-provider';

import { resourceServer } from './provider.mjs';

export const kTokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

export async function exchangeToken(ctx, settings, keys) {
  const { provider, params, client } = ctx.oidc;
  if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('subject_token_type not supported');
  const accountId = await holderOf(params.subject_token ?? '', provider, keys);
  if (!accountId) throw new errors.InvalidGrant('subject_token is not a valid access token');

  const uri = params.resource ?? params.audience;
  if (!settings.resources[uri]) throw new errors.InvalidTarget();
  const server = new provider.ResourceServer(uri, resourceServer(uri, settings));
  const asked = params.scope?.split(' ') ?? [...server.scopes];
  const scope = asked.filter((name) => server.scopes.has(name)).join(' ') || undefined;
  const grant = new provider.Grant({ accountId, clientId: client.clientId });
  if (scope) grant.addResourceScope(uri, scope);
  const token = new provider.AccessToken({ accountId, client, grantId: await grant.save(),
    gty: 'token_exchange', resourceServer: server, scope });
  const value = await token.save();
  ctx.body = { access_token: value, issued_token_type: ACCESS_TOKEN, token_type: 'Bearer',
    expires_in: token.expiration, scope: token.scope };
}

// Whose access token it is; nobody's when it is not one of this issuer's.
async function holderOf(token, provider, keys) {
  const stored = await provider.AccessToken.find(token);
  if (stored) return stored.accountId;
  const known = jose.createLocalJWKSet({ keys: keys.map(publicPart) });
  const signed = await jose.jwtVerify(token, known, { issuer: provider.issuer, typ: 'at+jwt' }).catch(() => undefined);
  return signed?.payload.sub;
}

function publicPart({ kty, crv, x, y, n, e, kid, alg }) {
  return { kty, crv, x, y, n, e, kid, alg };
}
