"""Greets whoever Identity-Aware Proxy has let in: an App Engine app with Flask and python-jose."""

import functools
import os
import re
import time

import requests
from flask import Flask, request
from jose import JWTError, jwt

METADATA = "http://metadata.google.internal/computeMetadata/v1/project/"
KEYS = "https://www.gstatic.com/iap/verify/public_key"
ISSUER = "https://cloud.google.com/iap"
SKEW = 30  # seconds by which clocks may differ

app = Flask(__name__)


def metadata(item):
    answer = requests.get(METADATA + item, headers={"Metadata-Flavor": "Google"}, timeout=5)
    answer.raise_for_status()
    return answer.text


@functools.cache
def audience():
    """The audience of assertions for this app, which is the same as long as it runs."""
    return f"/projects/{metadata('numeric-project-id')}/apps/{metadata('project-id')}"


class KeyMap:
    """IAP's keys, from key id to PEM. Asked for again each hour, and for an id that is new, though not at once for each
    that a stranger makes up."""

    def __init__(self):
        self.keys, self.fetched = {}, float("-inf")

    def key(self, key_id):
        age = time.monotonic() - self.fetched
        if age > 3600 or (key_id not in self.keys and age > 10):
            answer = requests.get(KEYS, timeout=5)
            answer.raise_for_status()
            self.keys, self.fetched = answer.json(), time.monotonic()
        return self.keys.get(key_id)


key_map = KeyMap()


class Refused(Exception):
    """The assertion proves nothing; the text says why."""


# Base64 can spell the same bytes in several ways. Two headers arrive as one with a comma.
SPELLING = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]", re.ASCII)


def verified(assertion):
    """The claims of a good assertion. What python-jose does not look at is looked at here."""
    if not SPELLING.fullmatch(assertion):
        raise Refused("no assertion, or something else in its place")
    try:
        header = jwt.get_unverified_header(assertion)
        if header.get("typ") != "JWT" or {"jwk", "jku", "x5c", "x5u", "crit"} & header.keys():
            raise Refused("the header says what IAP does not say")
        # Given the whole map, python-jose would try every key in it.
        key = key_map.key(str(header.get("kid")))
        if key is None:
            raise Refused("signed with a key that IAP does not publish")
        claims = jwt.decode(assertion, key, algorithms=["ES256"], audience=audience(), issuer=ISSUER, options={"leeway": SKEW})
    except JWTError as error:
        raise Refused(str(error)) from error
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int):
        raise Refused("it has no times")
    if issued > time.time() + SKEW or not 0 < expires - issued <= 600 + 2 * SKEW:
        raise Refused("it is of the future, or lives longer than IAP lets it")
    if not isinstance(claims.get("aud"), str) or not claims.get("sub") or not claims.get("email"):
        raise Refused("it is for several apps, or about nobody")
    return claims


@app.get("/")
def hello():
    claims = verified(request.headers.get("X-Goog-IAP-JWT-Assertion", ""))
    return f"Hello {claims['email']}\n", {"Content-Type": "text/plain; charset=utf-8"}


@app.errorhandler(Refused)
def refuse(error):
    app.logger.warning("refused: %s", error)
    return "Who are you? Come in through Identity-Aware Proxy.\n", 401


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
