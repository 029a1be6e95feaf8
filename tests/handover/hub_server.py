"""A hub on this machine: as much of its interface as writing and reading one model needs."""

import base64
import hashlib
import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

REPOSITORY = r"/api/models/(?P<repo>[\w-]+/[\w-]+)"


class Repositories:
    """Files by repository and commit, and what was asked for."""

    def __init__(self):
        self.commits = {}
        self.main = {}
        self.created = []
        self.asked = []

    def commit(self, repo, lines):
        files = dict(self.commits.get((repo, self.main.get(repo)), {}))
        for line in map(json.loads, lines):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        sha = hashlib.sha1(repr((repo, len(self.commits), sorted(files))).encode()).hexdigest()
        self.commits[repo, sha] = files
        self.main[repo] = sha
        return sha


class Handler(BaseHTTPRequestHandler):
    """Answers requests about the repositories of its server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    @property
    def repositories(self):
        return self.server.repositories

    def answer(self, content, code=200, headers=()):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self):
        path, body = urlsplit(self.path).path, self.body()
        if path == "/api/repos/create":
            asked = json.loads(body)
            self.repositories.created.append(asked)
            name = "/".join(filter(None, [asked.get("organization"), asked["name"]]))
            return self.answer({"url": f"http://{self.headers['Host']}/{name}"})
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if found := re.fullmatch(REPOSITORY + "/preupload/.+", path):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.answer({"files": files})
        if found := re.fullmatch(REPOSITORY + "/commit/.+", path):
            sha = self.repositories.commit(found["repo"], body.splitlines())
            url = f"http://{self.headers['Host']}/{found['repo']}/commit/{sha}"
            return self.answer({"success": True, "commitOid": sha, "commitUrl": url})
        return self.answer({"error": "unknown"}, 404)

    def do_GET(self):
        path = urlsplit(self.path).path
        self.repositories.asked.append(path)
        if found := re.fullmatch(REPOSITORY + "(/revision/(?P<revision>.+))?", path):
            return self.say_revision(found["repo"], found["revision"] or "main")
        if found := re.fullmatch(REPOSITORY + "/tree/(?P<sha>[0-9a-f]{40})", path):
            files = self.repositories.commits[found["repo"], found["sha"]]
            return self.answer([
                {"type": "file", "path": name, "size": len(content), "oid": blob_of(content)}
                for name, content in files.items()
            ])  # fmt: skip
        if found := re.fullmatch(r"/([\w-]+/[\w-]+)/resolve/([0-9a-f]{40})/(.+)", path):
            repo, sha, name = found.groups()
            content = self.repositories.commits[repo, sha][name]
            headers = {"X-Repo-Commit": sha, "ETag": f'"{blob_of(content)}"'}
            return self.answer(content, headers=headers)
        return self.answer({"error": "unknown"}, 404)

    def do_HEAD(self):
        self.do_GET()

    def say_revision(self, repo, revision):
        sha = self.repositories.main.get(repo) if revision == "main" else revision
        if repo not in self.repositories.main:
            missing = {"X-Error-Code": "RepoNotFound"}
            return self.answer({"error": "Repository not found"}, 404, missing)
        if (repo, sha) not in self.repositories.commits:
            return self.answer({"error": "no"}, 404, {"X-Error-Code": "RevisionNotFound"})
        files = [{"rfilename": name} for name in self.repositories.commits[repo, sha]]
        return self.answer({"id": repo, "sha": sha, "siblings": files})


def blob_of(content):
    """The name that git gives to a content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serve_hub():
    """Yield the address of a hub on this machine, and its repositories."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.repositories = Repositories()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server.repositories
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
