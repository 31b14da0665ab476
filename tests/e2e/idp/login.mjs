// The page where a person says who they are, for a browser that is driven; there is no password. Consent is given with
// it, and given again without a page where a client asks for it.

export async function serveInteraction(provider, settings, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login' && request.method !== 'POST') return sendPage(response, 200, params);

  const form = request.method === 'POST' ? await readForm(request) : new URLSearchParams();
  if (form.has('refuse')) {
    return provider.interactionFinished(request, response, { error: 'access_denied' });
  }
  const result = {};
  const name = prompt.name === 'login' ? form.get('login') : session.accountId;
  if (!settings.people[name]) return sendPage(response, 401, params, 'Nobody here is called that.');
  if (prompt.name === 'login') result.login = { accountId: name, ...strength(params, settings.people[name]) };
  result.consent = { grantId: await grant(provider, params, name, prompt.name === 'login' ? undefined : grantId) };
  return provider.interactionFinished(request, response, result);
}

// A person with a second factor uses it when it is asked for.
function strength(params, person) {
  const asked = params.acr_values?.split(' ') ?? [];
  const acr = asked.find((value) => person.factors?.includes(value));
  return acr ? { acr, amr: ['pwd', 'mfa'] } : { amr: ['pwd'] };
}

async function grant(provider, params, accountId, id) {
  const made = id ? await provider.Grant.find(id) : new provider.Grant({ accountId, clientId: params.client_id });
  made.addOIDCScope(params.scope);
  for (const resource of [params.resource ?? []].flat()) made.addResourceScope(resource, params.scope);
  return made.save();
}

async function readForm(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return new URLSearchParams(Buffer.concat(parts).toString());
}

function sendPage(response, status, { client_id: client }, problem = '') {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(`<!doctype html><html lang="en"><title>Log in</title>
<style>body { font: 16px sans-serif; margin: 4em auto; max-width: 22em }
input, button { font: inherit; padding: .4em }</style>
<h1>Who are you?</h1><p>${escape(client)} wants to know.</p><p role="alert">${problem}</p>
<form method="post"><input name="login" autofocus autocomplete="off" aria-label="Name"> <button id="go">Log in</button>
<button name="refuse" value="yes">Refuse</button></form></html>`);
}

function escape(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
