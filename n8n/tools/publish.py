#!/usr/bin/env python3
"""Publishes the imported workflows in a running n8n, over the same interface that its editor uses.

    publish.py N8N_FOLDER INDEX.json N8N_PORT

Imported workflows are never published, and n8n's command line can publish only while n8n is down, one slow start for each
workflow. Sets up the n8n owner when there is none. Standard library only; safe to run again.
"""
import http.cookiejar
import json
import pathlib
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 30


class Editor:
    """A signed-in n8n editor. Never goes through a proxy of the environment: n8n is on the loopback."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/rest"
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json", "browser-id": "chat-proxy-tests"})
        try:
            with self.opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read() or b"{}").get("data")
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode('utf-8', 'replace')[:400]}")

    def sign_in(self, owner):
        management = self.call("GET", "/settings").get("userManagement", {})
        if management.get("showSetupOnFirstLoad"):
            self.call("POST", "/owner/setup", owner)
        else:
            self.call("POST", "/login", {"emailOrLdapLoginId": owner["email"], "password": owner["password"]})

    def publish(self, workflow_id):
        workflow = self.call("GET", "/workflows/" + workflow_id)
        if not (workflow.get("active") and workflow.get("activeVersionId") == workflow["versionId"]):
            self.call("POST", f"/workflows/{workflow_id}/activate", {"versionId": workflow["versionId"]})


def main(folder, index, port):
    editor = Editor(port)
    editor.sign_in(json.loads((pathlib.Path(folder) / "test-settings.json").read_text())["n8n_owner"])
    for workflow in json.loads(pathlib.Path(index).read_text()):
        if workflow["published"]:
            editor.publish(workflow["id"])


if __name__ == "__main__":
    main(*sys.argv[1:4])
