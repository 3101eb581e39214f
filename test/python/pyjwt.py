"""Verifies IAP assertions with PyJWT.

Usage: pyjwt.py AUDIENCE KEYS_URL, assertions on standard input, one a line. Prints a line of JSON for each:
{"claims": {...}}, or {"refused": "why"}.
"""

import json
import sys

import jwt

audience, keys = sys.argv[1:]
client = jwt.PyJWKClient(keys + "/public_key-jwk")
for token in sys.stdin.read().splitlines():
    try:
        key = client.get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key.key, algorithms=["ES256"], audience=audience, issuer="https://cloud.google.com/iap")
        print(json.dumps({"claims": claims}))
    except Exception as error:  # one that is not meant for callers stops the request as well
        print(json.dumps({"refused": f"{type(error).__name__}: {error}"}))
