"""
Hooks for schemathesis (https://schemathesis.io), which drives a running system by its own OpenAPI document:

    pip install schemathesis
    cd test/schemathesis
    MUSUBI_RUN=../../.musubi/run.json SCHEMATHESIS_HOOKS=hooks PYTHONPATH=. \
        schemathesis run "$(node -p 'require("../../.musubi/run.json").gateway')/openapi.json" --max-examples 1000

It changes and deletes members, and fills the system with jobs: use one that was started for it, without
a bound on one member's commands: `MUSUBI_JOB_RATE_PER_MEMBER=100000+100000/1s npm start -- --data DIR`.
"""

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


LOCK = threading.Lock()
session = login()
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
    """What no schema can say of a valid request: a page token was given, a password is not common, a name can be read."""
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
    if isinstance(case.body, dict) and isinstance(name := case.body.get("displayName"), str):
        if any(unicodedata.category(character)[0] in "CM" for character in name):
            case.body["displayName"] = secrets.token_urlsafe(12)
