"""Verifies an IAP assertion with PyJWT.

Usage: pyjwt.py TOKEN AUDIENCE KEYS_URL. Prints the claims; a refusal goes to standard error with status 1.
"""

import json
import sys

import jwt

token, audience, keys = sys.argv[1:]
key = jwt.PyJWKClient(keys + "/public_key-jwk").get_signing_key_from_jwt(token)
try:
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience=audience, issuer="https://cloud.google.com/iap")
except jwt.InvalidTokenError as error:
    sys.exit(f"refused: {error}")
print(json.dumps(claims))
