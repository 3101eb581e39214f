// What an app on Google Cloud does with an assertion: nothing here knows of Gatehouse. Usage: node unchanged.mjs TOKEN
// Prints the claims; a refusal goes to standard error with status 1.
import {webcrypto} from 'node:crypto';
globalThis.crypto ??= webcrypto; // Node 18
import gcpMetadata from 'gcp-metadata';
import {OAuth2Client} from 'google-auth-library';

try {
  if (!(await gcpMetadata.isAvailable())) throw new Error('there is no metadata server');
  const number = await gcpMetadata.project('numeric-project-id');
  const id = await gcpMetadata.project('project-id');
  const client = new OAuth2Client();
  const {pubkeys} = await client.getIapPublicKeys();
  const ticket = await client.verifySignedJwtWithCertsAsync(
    process.argv[2], pubkeys, `/projects/${number}/apps/${id}`, ['https://cloud.google.com/iap']);
  console.log(JSON.stringify(ticket.getPayload()));
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
