"""Opens URL with an ID token for AUDIENCE, by the key file that GOOGLE_APPLICATION_CREDENTIALS names."""

import os
import sys

from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import service_account

url, audience = sys.argv[1:]
credentials = service_account.IDTokenCredentials.from_service_account_file(
    os.environ["GOOGLE_APPLICATION_CREDENTIALS"], target_audience=audience
)
answer = AuthorizedSession(credentials).get(url, timeout=20)
answer.raise_for_status()
print(answer.text)
