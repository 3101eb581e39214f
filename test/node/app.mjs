// An application behind IAP, in the three ways in which such applications are written.
//
// IDENTITY=headers believes IAP's plain headers; IDENTITY=unsigned reads the assertion and does not verify it;
// IDENTITY=verified verifies it, with google-auth-library and what that leaves out. Takes IAP_AUDIENCE and KEYS, and
// prints its port.
import {webcrypto} from 'node:crypto';
import {createServer} from 'node:http';
globalThis.crypto ??= webcrypto; // Node 18

const {IAP_AUDIENCE: AUDIENCE, KEYS, IDENTITY} = process.env;
const ISSUER = 'https://cloud.google.com/iap';
const SKEW = 30;
const {OAuth2Client} = await import('google-auth-library');
const client = new OAuth2Client({endpoints: {oauth2IapPublicKeyUrl: `${KEYS}/public_key`}});
const part = (assertion, i) => JSON.parse(Buffer.from(assertion.split('.')[i], 'base64url'));

const identify = {
  headers: (request) => request.headers['x-goog-authenticated-user-email']?.replace('accounts.google.com:', ''),
  unsigned: (request) => part(request.headers['x-goog-iap-jwt-assertion'], 1).email,
  verified: async (request) => {
    const [assertion, ...more] = request.headersDistinct['x-goog-iap-jwt-assertion'] ?? [];
    if (!/^[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]$/.test(assertion) || more.length > 0) return undefined;
    const header = part(assertion, 0);
    if (header.alg !== 'ES256' || header.typ !== 'JWT' || ['jwk', 'jku', 'x5c', 'x5u', 'crit'].some((name) => name in header)) return undefined;
    const {pubkeys} = await client.getIapPublicKeys();
    const ticket = await client.verifySignedJwtWithCertsAsync(assertion, pubkeys, AUDIENCE, [ISSUER]);
    const {aud, iat, exp, email} = ticket.getPayload();
    const now = Date.now() / 1000;
    const inTime = Number.isInteger(iat) && Number.isInteger(exp) && iat <= now + SKEW && exp >= now - SKEW && exp - iat <= 600 + 2 * SKEW;
    return typeof aud === 'string' && inTime ? email : undefined;
  },
}[IDENTITY];

const server = createServer(async (request, response) => {
  let email;
  try {
    email = await identify(request);
  } catch {
    // Whatever is wrong with it: nobody.
  }
  response.writeHead(email ? 200 : 401, {'Content-Type': 'application/json', 'X-Powered-By': 'Node'});
  response.end(JSON.stringify({email}));
});
server.listen(0, '127.0.0.1', () => console.log('listening on', server.address().port));
