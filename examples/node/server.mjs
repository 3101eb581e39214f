// Greets whoever Identity-Aware Proxy has let in: a Cloud Run service with node:http and google-auth-library.
import {createServer} from 'node:http';
import gcpMetadata from 'gcp-metadata';
import {OAuth2Client} from 'google-auth-library';

const ISSUER = 'https://cloud.google.com/iap';
const SKEW = 30; // seconds by which clocks may differ
const client = new OAuth2Client();

// The audience of assertions for this service, as Cloud Run names it.
async function discoverAudience() {
  const number = await gcpMetadata.project('numeric-project-id');
  const region = (await gcpMetadata.instance('region')).split('/').pop();
  return `/projects/${number}/locations/${region}/services/${process.env.K_SERVICE}`;
}

// IAP's keys, from key id to PEM: asked for again each hour, and for an id that is new, though not at once for each
// that a stranger makes up.
let keys = {}, fetched = -Infinity;
async function keysWith(keyId) {
  const age = (performance.now() - fetched) / 1000;
  if (age > 3600 || (!Object.hasOwn(keys, keyId) && age > 10)) {
    keys = (await client.getIapPublicKeys()).pubkeys;
    fetched = performance.now();
  }
  return keys;
}

class Refused extends Error {}

// Base64 can spell the same bytes in several ways. Two headers arrive as one with a comma.
const SPELLING = /^[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]$/;

// The claims of a good assertion. What the library does not look at is looked at here.
async function verified(assertion, audience) {
  if (!SPELLING.test(assertion)) throw new Refused('no assertion, or something else in its place');
  let header;
  try {
    header = JSON.parse(Buffer.from(assertion.split('.')[0], 'base64url'));
  } catch (error) {
    throw new Refused(error.message);
  }
  if (header?.alg !== 'ES256' || header.typ !== 'JWT' || ['jwk', 'jku', 'x5c', 'x5u', 'crit'].some((name) => name in header)) {
    throw new Refused('the header says what IAP does not say');
  }
  const known = await keysWith(header.kid);
  let claims;
  try {
    claims = (await client.verifySignedJwtWithCertsAsync(assertion, known, audience, [ISSUER])).getPayload();
  } catch (error) {
    throw new Refused(error.message);
  }
  const {iat, exp, aud, sub, email} = claims;
  const now = Date.now() / 1000; // the library tolerates five minutes, and a lifetime of a day
  if (!Number.isInteger(iat) || !Number.isInteger(exp) || iat > now + SKEW || exp < now - SKEW || exp - iat > 600 + 2 * SKEW) {
    throw new Refused('it has expired, is of the future, or lives longer than IAP lets it');
  }
  if (typeof aud !== 'string' || !sub || !email) throw new Refused('it is for several apps, or about nobody');
  return claims;
}

const audience = await discoverAudience();

const server = createServer(async (request, response) => {
  const answer = (status, text) => response.writeHead(status, {'Content-Type': 'text/plain; charset=utf-8'}).end(text + '\n');
  try {
    const {email} = await verified(request.headers['x-goog-iap-jwt-assertion'] ?? '', audience);
    answer(200, `Hello ${email}`);
  } catch (error) {
    console.error(`${error instanceof Refused ? 'refused' : 'failed'}: ${error.message}`);
    if (error instanceof Refused) answer(401, 'Who are you? Come in through Identity-Aware Proxy.');
    else answer(503, 'Try again in a moment.');
  }
});
server.listen(process.env.PORT ?? 8080, '127.0.0.1');
