"""What an app on Google Cloud does with an assertion, as the tutorial of IAP has it: nothing here knows of Gatehouse.

Usage: unchanged.py TOKEN. Prints the claims; a refusal goes to standard error with status 1.
"""

import json
import sys
import urllib.request

import requests
from jose import jwt

METADATA = "http://metadata.google.internal/computeMetadata/v1/"


def metadata(item):
    answer = requests.get(METADATA + item, headers={"Metadata-Flavor": "Google"}, timeout=20)
    answer.raise_for_status()
    return answer.text


number, project = metadata("project/numeric-project-id"), metadata("project/project-id")
certs = requests.get("https://www.gstatic.com/iap/verify/public_key", timeout=20).json()
claims = jwt.decode(sys.argv[1], certs, algorithms=["ES256"], audience=f"/projects/{number}/apps/{project}")
# The standard library finds them, too.
with urllib.request.urlopen("https://www.gstatic.com/iap/verify/public_key-jwk", timeout=20) as answer:
    assert {key["kid"] for key in json.load(answer)["keys"]} == set(certs)
print(json.dumps(claims))
