// Opens URL with an ID token for AUDIENCE, by the credentials that GOOGLE_APPLICATION_CREDENTIALS names.
import { GoogleAuth } from 'google-auth-library';

const [url, audience] = process.argv.slice(2);
const client = await new GoogleAuth().getIdTokenClient(audience);
const answer = await client.request({ url, responseType: 'text' });
console.log(answer.data);
