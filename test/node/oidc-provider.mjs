// An OpenID Connect provider for the tests: npm's oidc-provider, with switches.
//
// The settings are JSON in the environment variable OIDC_PROVIDER: clientId, clientSecret, redirectUris,
// postLogoutRedirectUris, backchannelLogoutUri, and clientKey, a JWK by which the client proves itself in place of the
// secret. When it answers, it prints "issuer URL". Anybody may sign in who
// knows the one password. People are called by their addresses.
//
// POST /switch/NAME?value=VALUE:
//   rotate    true or false: whether a refresh token is used once
//   refresh   true or false: whether refresh tokens are given
//   refuse    true or false: whether they are answered with invalid_grant
//   disable   an address: nobody by that address any more
//   proof     JSON with what to say of the next sign-ins besides who it is: amr, acr, and secondsAgo
//   logout    an address: its sessions here end, and the client is told; answers when it has been
// GET /switch/counts: how often tokens were asked for, by grant type.
// GET /switch/asked: the parameters of the last request to sign in.
import {createServer, request} from 'node:http';
import {generateKeyPairSync} from 'node:crypto';
import Provider from 'oidc-provider';

const settings = JSON.parse(process.env.OIDC_PROVIDER);
const password = 'correct horse battery staple';
const switches = {rotate: true, refresh: true, refuse: false};
const disabled = new Set();
const sessions = new Map(); // by address: the ids of the sessions here, as the client knows them
const counts = {};
let asked = {}; // the parameters of the last request to sign in
let proof = {};

const {privateKey} = generateKeyPairSync('rsa', {modulusLength: 2048});
const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

// Browsers take *.localhost for this machine, and Node does not.
function post(address, {headers, body}) {
  const {hostname, host, port, pathname} = new URL(address);
  return new Promise((answered, failed) => {
    const sent = request(
      {host: hostname.endsWith('.localhost') ? '127.0.0.1' : hostname, port, path: pathname, method: 'POST', headers: {...Object.fromEntries(new Headers(headers)), host}},
      (response) => {
        response.resume();
        answered(new Response(null, {status: response.statusCode}));
      },
    );
    sent.on('error', failed);
    sent.end(String(body));
  });
}

function account(ctx, email, token) {
  if (disabled.has(email) || (switches.refuse && token?.kind === 'RefreshToken')) return undefined;
  return {accountId: email, claims: () => ({sub: email, email, email_verified: true, department: 'Research, Development', sites: ['Berlin', 'Lisbon']})};
}

const provider = new Provider(issuer, {
  clients: [{
    client_id: settings.clientId, redirect_uris: settings.redirectUris,
    ...(settings.clientKey ? {token_endpoint_auth_method: 'private_key_jwt', jwks: {keys: [settings.clientKey]}} : {client_secret: settings.clientSecret}),
    post_logout_redirect_uris: settings.postLogoutRedirectUris ?? [], grant_types: ['authorization_code', 'refresh_token'],
    ...(settings.backchannelLogoutUri && {backchannel_logout_uri: settings.backchannelLogoutUri, backchannel_logout_session_required: true}),
  }],
  jwks: {keys: [{...privateKey.export({format: 'jwk'}), use: 'sig', alg: 'RS256', kid: 'first'}]},
  cookies: {keys: ['a test needs no secret here']},
  claims: {openid: ['sub', 'acr', 'amr', 'auth_time'], email: ['email', 'email_verified'], profile: ['department', 'sites']},
  conformIdTokenClaims: false, // the address is in the ID token
  findAccount: account,
  fetch: (address, options) => post(address, options),
  issueRefreshToken: async () => switches.refresh,
  expiresWithSession: async () => false,
  rotateRefreshToken: () => switches.rotate,
  interactions: {url: (ctx, interaction) => `/interaction/${interaction.uid}`},
  features: {
    devInteractions: {enabled: false},
    backchannelLogout: {enabled: true},
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: async (ctx, form) => {
        ctx.body = page(`<h1>Sign out of the provider?</h1>${form}<button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>`);
      },
    },
  },
  // Nobody is asked whether the gate may know who they are.
  loadExistingGrant: async (ctx) => {
    const {session, client} = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    const grant = (known && await provider.Grant.find(known)) || new provider.Grant({clientId: client.clientId, accountId: session.accountId});
    grant.addOIDCScope('openid email profile offline_access');
    await grant.save();
    return grant;
  },
});

provider.on('authorization.success', (ctx) => {
  const {session, client} = ctx.oidc;
  const ids = sessions.get(session.accountId) ?? new Set();
  sessions.set(session.accountId, ids.add(session.sidFor(client.clientId)));
});
provider.on('server_error', (ctx, error) => console.error(error));
provider.on('grant.error', (ctx, error) => console.error(error.message, error.error_detail ?? ''));
provider.on('backchannel.error', (ctx, error) => console.error(error));

provider.use(async (ctx, next) => {
  if (ctx.path === '/auth') asked = {...ctx.query};
  await next();
  if (ctx.path === '/token' && ctx.oidc?.params) counts[ctx.oidc.params.grant_type] = (counts[ctx.oidc.params.grant_type] ?? 0) + 1;
});
function page(body) {
  return `<!doctype html><html lang="en"><title>Provider</title>${body}</html>`;
}

function form(uid, problem) {
  return page(`<h1>Sign in at the provider</h1><p>${problem}</p><form method="post" action="/interaction/${uid}">
<label for="login">Login</label> <input id="login" name="login">
<label for="password">Secret</label> <input id="password" name="password" type="password"><button>Let me in</button></form>`);
}

async function read(req) {
  let text = '';
  for await (const part of req) text += part;
  return new URLSearchParams(text);
}

async function interact(req, res, uid) {
  const fields = req.method === 'POST' ? await read(req) : undefined;
  const login = fields?.get('login');
  if (fields?.get('password') !== password || disabled.has(login)) {
    res.writeHead(fields ? 401 : 200, {'Content-Type': 'text/html'}).end(form(uid, fields ? 'That is not right.' : ''));
    return;
  }
  const {secondsAgo = 0, amr, acr} = proof;
  const signedIn = {accountId: login, amr, acr, ts: Math.floor(Date.now() / 1000) - secondsAgo};
  await provider.interactionFinished(req, res, {login: signedIn}, {mergeWithLastSubmission: false});
}

async function flip(req, res, name, value) {
  if (name === 'counts' || name === 'asked') {
    res.end(JSON.stringify({counts, asked}[name]));
    return;
  }
  if (name === 'proof') {
    proof = JSON.parse(value);
  } else if (name === 'disable') {
    disabled.add(value);
  } else if (name === 'logout') {
    const client = await provider.Client.find(settings.clientId);
    await Promise.all([...sessions.get(value) ?? []].map((sid) => client.backchannelLogout(value, sid)));
  } else if (name in switches) {
    switches[name] = value === 'true';
  } else {
    res.statusCode = 404;
  }
  res.end();
}

const handle = provider.callback();
server.on('request', (req, res) => {
  const {pathname, searchParams} = new URL(req.url, issuer);
  const [, area, name] = pathname.split('/');
  const own = {interaction: interact, switch: flip}[area];
  if (!own) {
    handle(req, res);
    return;
  }
  own(req, res, name, searchParams.get('value')).catch((error) => {
    console.error(error);
    res.writeHead(500).end(error.message);
  });
});
console.log(`issuer ${issuer}`);
