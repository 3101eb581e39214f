"""An application behind IAP, in the three ways in which such applications are written.

IDENTITY=headers believes IAP's plain headers; IDENTITY=unsigned reads the assertion and does not verify it;
IDENTITY=verified verifies it, with PyJWT and what PyJWT leaves out. Takes IAP_AUDIENCE, KEYS and PORT, and prints its port.
"""

import json
import os
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

AUDIENCE, ISSUER, SKEW = os.environ["IAP_AUDIENCE"], "https://cloud.google.com/iap", 30
KEYS = os.environ.get("KEYS", "https://www.gstatic.com/iap/verify")
SPELLING = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]", re.ASCII)
keys = jwt.PyJWKClient(KEYS + "/public_key-jwk")


def from_headers(request):
    email = request.headers.get("X-Goog-Authenticated-User-Email")
    return email and email.removeprefix("accounts.google.com:")


def from_unsigned(request):
    assertion = request.headers.get("X-Goog-IAP-JWT-Assertion")
    return assertion and jwt.decode(assertion, options={"verify_signature": False}).get("email")


def from_verified(request):
    assertions = request.headers.get_all("X-Goog-IAP-JWT-Assertion", [])
    if len(assertions) != 1 or not SPELLING.fullmatch(assertions[0]):  # PyJWT decodes other spellings too
        return None
    header = jwt.get_unverified_header(assertions[0])
    if header.get("typ") != "JWT" or {"jwk", "jku", "x5c", "x5u", "crit"} & header.keys():
        return None
    claims = jwt.decode(
        assertions[0], keys.get_signing_key_from_jwt(assertions[0]).key, algorithms=["ES256"],
        audience=AUDIENCE, issuer=ISSUER, leeway=SKEW, options={"require": ["exp", "iat", "aud", "iss", "sub", "email"]},
    )
    issued, expires = claims["iat"], claims["exp"]
    exact = isinstance(claims["aud"], str) and isinstance(issued, int) and isinstance(expires, int)
    if not exact or issued > time.time() + SKEW or not 0 < expires - issued <= 600 + 2 * SKEW:
        return None
    return claims["email"]


identify = {"headers": from_headers, "unsigned": from_unsigned, "verified": from_verified}[os.environ["IDENTITY"]]


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            email = identify(self)
        except Exception:  # whatever is wrong with it: nobody
            email = None
        self.send_response(200 if email else 401)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"email": email}).encode() if email else b"{}")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 0))), App)
print("listening on", server.server_port)
server.serve_forever()
