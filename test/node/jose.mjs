// Verifies IAP assertions with jose.
//
// Usage: node jose.mjs AUDIENCE KEYS_URL, assertions on standard input, one a line. Prints a line of JSON for each:
// {"claims": {...}}, or {"refused": "why"}.
import {webcrypto} from 'node:crypto';
import {readFileSync} from 'node:fs';
globalThis.crypto ??= webcrypto; // Node 18

const [audience, keys] = process.argv.slice(2);
const {createRemoteJWKSet, jwtVerify} = await import('jose');
const keySet = createRemoteJWKSet(new URL(`${keys}/public_key-jwk`));
for (const token of readFileSync(0, 'utf8').trimEnd().split('\n')) {
  try {
    const {payload} = await jwtVerify(token, keySet, {audience, issuer: 'https://cloud.google.com/iap', algorithms: ['ES256']});
    console.log(JSON.stringify({claims: payload}));
  } catch (error) {
    console.log(JSON.stringify({refused: error.message}));
  }
}
