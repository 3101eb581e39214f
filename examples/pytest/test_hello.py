"""Tests of an app behind the gate; `gatehouse dev --exec` tells them where it is."""

import os
from urllib.parse import urlsplit

import pytest
import requests

ENDPOINT = os.environ["GATEHOUSE_ENDPOINT"]
CONTROL = ENDPOINT + "/emulator/v1"
DIRECT = f"http://127.0.0.1:{os.environ['PORT']}/"


def tell(method, path, **body):
    """Tells the emulator something, and returns what it answers."""
    answer = requests.request(method, f"{CONTROL}/{path}", headers={"X-Gatehouse-Emulator": "1"}, json=body, timeout=10)
    answer.raise_for_status()
    return answer.json()


@pytest.fixture(autouse=True)
def as_it_was():
    """What a test has changed is no other test's business."""
    yield
    tell("POST", "reset")


def get(email=None):
    """Asks the app through the gate. Python does not resolve *.localhost everywhere: the host is named in a header."""
    headers = {"Host": urlsplit(os.environ["GATEHOUSE_APP_URL"]).netloc}
    if email:
        headers["Authorization"] = "Bearer " + tell("POST", f"accounts/{email}:generateIdToken")["token"]
    return requests.get(ENDPOINT + "/", headers=headers, allow_redirects=False, timeout=10)


def get_directly(**assertion):
    """Asks the app around the gate, with an assertion that the gate's own key has signed."""
    signed = tell("POST", "assertions", email="alice@example.com", **assertion)["assertion"]
    return requests.get(DIRECT, headers={"X-Goog-IAP-JWT-Assertion": signed}, timeout=10)


def test_alice_is_greeted():
    assert get("alice@example.com").text == "Hello alice@example.com\n"


def test_bob_is_refused_until_the_policy_names_him():
    assert get("bob@example.com").status_code == 403
    tell("PUT", "policy", bindings=[{"role": "roles/iap.httpsResourceAccessor", "members": ["domain:example.com"]}])
    assert get("bob@example.com").text == "Hello bob@example.com\n"


def test_a_stranger_is_sent_to_sign_in():
    assert get().status_code == 302


def test_around_the_gate_plain_headers_are_not_believed():
    forged = {"X-Goog-Authenticated-User-Email": "accounts.google.com:alice@example.com"}
    assert requests.get(DIRECT, headers=forged, timeout=10).status_code == 401


def test_a_good_assertion_is_taken():
    assert get_directly().text == "Hello alice@example.com\n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"age": "11m"},
        {"age": "-1h"},
        {"audience": "/projects/1/apps/another"},
        {"claims": {"iss": "https://accounts.google.com"}},
        {"claims": {"email": None}},
    ],
    ids=["expired", "of the future", "for another app", "from another issuer", "about nobody"],
)
def test_wrong_assertions_are_refused(wrong):
    assert get_directly(**wrong).status_code == 401


def test_while_keys_cannot_be_fetched_known_ones_do():
    assert get("alice@example.com").status_code == 200
    tell("PUT", "key-endpoint", status=503)
    assert get("alice@example.com").status_code == 200
