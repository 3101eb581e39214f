"""Verifies IAP assertions with python-jose, as the Hello tutorial of IAP does, or with an issuer too.

Usage: python_jose.py AUDIENCE KEYS_URL [ISSUER], assertions on standard input, one a line. Prints a line of JSON for
each: {"claims": {...}}, or {"refused": "why"}.
"""

import json
import sys
import urllib.request

from jose import jwt

audience, keys, *issuer = sys.argv[1:]
with urllib.request.urlopen(keys + "/public_key") as answer:
    certs = json.load(answer)
for token in sys.stdin.read().splitlines():
    try:
        claims = jwt.decode(token, certs, algorithms=["ES256"], audience=audience, issuer=issuer[0] if issuer else None)
        print(json.dumps({"claims": claims}))
    except Exception as error:  # one that is not meant for callers stops the request as well
        print(json.dumps({"refused": f"{type(error).__name__}: {error}"}))
