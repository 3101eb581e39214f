// Verifies IAP assertions with Google's own library.
//
// Usage: node google-auth-library.mjs AUDIENCE KEYS_URL, assertions on standard input, one a line. Prints a line of
// JSON for each: {"claims": {...}}, or {"refused": "why"}.
import {webcrypto} from 'node:crypto';
import {readFileSync} from 'node:fs';
globalThis.crypto ??= webcrypto; // Node 18

const [audience, keys] = process.argv.slice(2);
const {OAuth2Client} = await import('google-auth-library');
const client = new OAuth2Client({endpoints: {oauth2IapPublicKeyUrl: `${keys}/public_key`}});
const {pubkeys} = await client.getIapPublicKeys();
for (const token of readFileSync(0, 'utf8').trimEnd().split('\n')) {
  try {
    const ticket = await client.verifySignedJwtWithCertsAsync(token, pubkeys, audience, ['https://cloud.google.com/iap']);
    console.log(JSON.stringify({claims: ticket.getPayload()}));
  } catch (error) {
    console.log(JSON.stringify({refused: error.message}));
  }
}
