// Verifies an IAP assertion with jose. Usage: node jose.mjs TOKEN AUDIENCE KEYS_URL
// Prints the claims; a refusal goes to standard error with status 1.
import {webcrypto} from 'node:crypto';
globalThis.crypto ??= webcrypto; // Node 18

const [token, audience, keys] = process.argv.slice(2);
const {createRemoteJWKSet, jwtVerify} = await import('jose');
const keySet = createRemoteJWKSet(new URL(`${keys}/public_key-jwk`));
try {
  const {payload} = await jwtVerify(token, keySet, {audience, issuer: 'https://cloud.google.com/iap', algorithms: ['ES256']});
  console.log(JSON.stringify(payload));
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
