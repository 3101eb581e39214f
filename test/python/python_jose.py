"""Verifies an IAP assertion with python-jose, as the Hello tutorial of IAP does.

Usage: python_jose.py TOKEN AUDIENCE KEYS_URL. Prints the claims; a refusal goes to standard error with status 1.
"""

import json
import sys
import urllib.request

from jose import JWTError, jwt

token, audience, keys = sys.argv[1:]
with urllib.request.urlopen(keys + "/public_key") as answer:
    certs = json.load(answer)
try:
    claims = jwt.decode(token, certs, algorithms=["ES256"], audience=audience, issuer="https://cloud.google.com/iap")
except JWTError as error:
    sys.exit(f"refused: {error}")
print(json.dumps(claims))
