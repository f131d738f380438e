#!/usr/bin/env python3
"""Makes the shop owner's templates and the test workflows ready for n8n's own import commands.

    prepare-import.py N8N_FOLDER OUTPUT_FOLDER LLM_PORT N8N_PORT

A template names no credential and no webhook path and holds a placeholder for the site id: n8n's editor makes a path
nobody can guess when it imports the file, the owner fills in the rest. Both is done here in their place (the site id is the
file's name), so that the tests run the very files that are given away. Writes into OUTPUT_FOLDER:

    credentials.json     the test credentials
    workflows/KEY.json   one file for each workflow, KEY being the name of its source file
    index.json           [{key, id, url, published}], read by `publish.py` and by `run-n8n urls`
"""
import json
import pathlib
import sys
import uuid

PLACEHOLDER = "site_PUT_YOUR_SITE_ID_HERE"
WEBHOOK = "n8n-nodes-base.webhook"
CHAT_TRIGGER = "@n8n/n8n-nodes-langchain.chatTrigger"
# Node type → credential type; the trigger nodes say theirs in `authentication`.
NODE_CREDENTIALS = {"@n8n/n8n-nodes-langchain.lmChatOpenAi": "openAiApi", "n8n-nodes-base.jwt": "jwtAuth"}
AUTHENTICATION_CREDENTIALS = {"jwtAuth": "jwtAuth", "headerAuth": "httpHeaderAuth", "basicAuth": "httpBasicAuth"}
# The one workflow whose n8n side holds another secret than chat-proxy.
OTHER_SECRET = "webhook-other-secret"


def credentials(settings, llm_port):
    def jwt(secret):
        return {"keyType": "passphrase", "secret": secret, "algorithm": "HS256"}

    data = {
        "openAiApi": ("openAiApi", {"apiKey": "none", "url": f"http://127.0.0.1:{llm_port}/v1", "header": False}),
        "jwtAuth": ("jwtAuth", jwt(settings["session_secret_key"])),
        "jwtAuthOther": ("jwtAuth", jwt("another-" + settings["session_secret_key"])),
        "httpHeaderAuth": ("httpHeaderAuth", settings["header_auth"]),
        "httpBasicAuth": ("httpBasicAuth", settings["basic_auth"]),
    }
    return [{"id": name, "name": name, "type": kind, "data": values} for name, (kind, values) in data.items()]


def fill_in(key, workflow):
    """What n8n's editor and the owner would do, and the ids that the import commands need."""
    workflow["id"] = uuid.uuid5(uuid.NAMESPACE_URL, key).hex[:16]
    workflow["versionId"] = str(uuid.uuid5(uuid.NAMESPACE_URL, "version/" + key))
    for node in workflow["nodes"]:
        if node["type"] in (WEBHOOK, CHAT_TRIGGER):
            node["webhookId"] = str(uuid.uuid5(uuid.NAMESPACE_URL, "webhook/" + key))
            if node["type"] == WEBHOOK:
                node["parameters"]["path"] = node["webhookId"]
        kind = NODE_CREDENTIALS.get(node["type"]) or AUTHENTICATION_CREDENTIALS.get(node["parameters"].get("authentication"))
        if kind:
            name = "jwtAuthOther" if kind == "jwtAuth" and key == OTHER_SECRET else kind
            node["credentials"] = {kind: {"id": name, "name": name}}
    return workflow


def production_url(workflow, port):
    for node in workflow["nodes"]:
        if node["type"] == CHAT_TRIGGER:
            return f"http://127.0.0.1:{port}/webhook/{node['webhookId']}/chat"
        if node["type"] == WEBHOOK:
            return f"http://127.0.0.1:{port}/webhook/{node['parameters']['path']}"
    raise SystemExit(f"{workflow['name']}: no trigger node")


def main(source, output, llm_port, n8n_port):
    settings = json.loads((source / "test-settings.json").read_text())
    (output / "workflows").mkdir(parents=True, exist_ok=True)
    index = []
    for path in sorted(source.glob("workflows/*/*.json")):
        text = path.read_text().replace(PLACEHOLDER, path.stem)
        workflow = fill_in(path.stem, json.loads(text))
        is_template = path.parent.name == "templates"
        index.append({"key": path.stem, "id": workflow["id"], "url": production_url(workflow, n8n_port),
                      "published": is_template or workflow["active"]})
        (output / "workflows" / path.name).write_text(json.dumps(workflow, ensure_ascii=False))
    (output / "credentials.json").write_text(json.dumps(credentials(settings, llm_port)))
    (output / "index.json").write_text(json.dumps(index, indent=1))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4])
