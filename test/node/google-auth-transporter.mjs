// google-auth-id-token.mjs, told where the token endpoint is: docs/programmatic-access.md shows these lines.
import { Gaxios } from 'gaxios';
import { GoogleAuth } from 'google-auth-library';

const [url, audience] = process.argv.slice(2);
const transporter = new Gaxios();
transporter.interceptors.request.add({resolved: async r => {
  if (r.url.href === 'https://oauth2.googleapis.com/token') r.url = new URL(process.env.TOKEN_URL);
  return r;
}});
const client = await new GoogleAuth({clientOptions: {transporter}}).getIdTokenClient(audience);
const answer = await client.request({ url, responseType: 'text' });
console.log(answer.data);
