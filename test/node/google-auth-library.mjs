// Verifies an IAP assertion with Google's own library. Usage: node google-auth-library.mjs TOKEN AUDIENCE KEYS_URL
// Prints the claims; a refusal goes to standard error with status 1.
import {webcrypto} from 'node:crypto';
globalThis.crypto ??= webcrypto; // Node 18

const [token, audience, keys] = process.argv.slice(2);
const {OAuth2Client} = await import('google-auth-library');
const client = new OAuth2Client({endpoints: {oauth2IapPublicKeyUrl: `${keys}/public_key`}});
try {
  const {pubkeys} = await client.getIapPublicKeys();
  const ticket = await client.verifySignedJwtWithCertsAsync(token, pubkeys, audience, ['https://cloud.google.com/iap']);
  console.log(JSON.stringify(ticket.getPayload()));
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
