"""
Hooks for schemathesis (https://schemathesis.io), which drives a running system by its own OpenAPI document:

    pip install schemathesis
    export MUSUBI_RUN="$PWD/.musubi/schemathesis/run.json"
    cd test/schemathesis
    SCHEMATHESIS_HOOKS=hooks PYTHONPATH=. \
        schemathesis run "$(node -p 'require(process.env.MUSUBI_RUN).gateway')/openapi.json" --max-examples 1000

It changes and deletes members, and fills the system with jobs: use one that was started for it, in another terminal, without
a bound on one member's commands:

    MUSUBI_JOB_RATE_PER_MEMBER=100000+100000/1s npm start -- --data .musubi/schemathesis
"""

import base64
import json
import os
import secrets
import threading
import unicodedata
import urllib.request

import schemathesis

with open(os.environ["MUSUBI_RUN"], encoding="utf-8") as file:
    RUN = json.load(file)


def post(path, body):
    request = urllib.request.Request(RUN["gateway"] + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def login():
    return post("/v1/auth/login", RUN["admin"])


def session_id(tokens):
    claims = tokens["accessToken"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=="))["sid"]


POLICY = 'permit (principal, action == Musubi::Action::"member.read", resource);'
LOCK = threading.Lock()
session = login()
OWN_SESSION = session_id(session)
# A logout ends its session, so it gets one of its own.
spare = [login()["accessToken"] for _ in range(20)]


# Tokens live for five minutes.
@schemathesis.auth(refresh_interval=120)
class Session:
    def get(self, case, context):
        global session
        with LOCK:
            session = post("/v1/auth/refresh", {"refreshToken": session["refreshToken"]})
        return session["accessToken"]

    def set(self, case, token, context):
        if case.operation.definition.raw.get("operationId") == "logout":
            token = spare.pop() if spare else "spent"
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """What no schema can say of a valid request: a page token was given, a password is not common, a name can be read,
    a time zone and an action are known, a policy is Cedar."""
    # It takes IDs from lists, and would end the session that it asks by.
    if case.operation.path == "/v1/auth/sessions/{sessionId}" and str(case.path_parameters.get("sessionId")).lower() == OWN_SESSION:
        case.path_parameters["sessionId"] = session_id(login())
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.query:
        case.query.pop("pageToken", None)
    # Its coverage phase writes no quotes into headers, and takes "0" for what it can not write.
    for name in ("If-Match", "If-None-Match"):
        if case.headers.get(name, "*") == "0":
            del case.headers[name]
    if isinstance(case.body, dict) and "password" in case.body and case.operation.path == "/v1/members":
        case.body["password"] = secrets.token_urlsafe(12)
    if isinstance(case.body, dict) and "newPassword" in case.body:
        case.body["newPassword"] = secrets.token_urlsafe(12)
    # What a policy says: of actions and types that there are, and as Cedar.
    if isinstance(case.body, dict) and case.operation.path.startswith("/v1/policies"):
        for field, value in {"actions": ["member.read"], "resources": ["own"], "cedar": POLICY}.items():
            if field in case.body:
                case.body[field] = value
    if isinstance(case.body, dict) and isinstance(name := case.body.get("displayName"), str):
        if any(unicodedata.category(character)[0] in "CM" for character in name):
            case.body["displayName"] = secrets.token_urlsafe(12)
    if isinstance(case.body, dict):
        # Names that are in no schema: of time zones, of attributes, and of whose e-mail address a login is.
        for field, value in {"locale": "ja-JP", "timeZone": "Asia/Tokyo", "attributes": {}, "schema": {"type": "object"}}.items():
            if case.body.get(field) is not None:
                case.body[field] = value
        if isinstance(login_id := case.body.get("loginId"), str) and "password" in case.body:
            case.body["loginId"] = login_id.replace("@", "_")
