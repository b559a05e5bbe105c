"""AWS as far as the AWS CLI is concerned: a loopback server that notes who asks what, and has one answer for each.

A recorder and no emulator: what counts is the request (service, region, access key), and signatures are the emulator's
part in other tests. It is an instance's metadata service too, which is where a CLI without other credentials looks.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

#: The access keys of the sessions that the server gives: to an instance, and to the caller of GetSessionToken.
INSTANCE_KEY, SESSION_KEY = "ASIAINSTANCE", "ASIAOURSESSION"

_SCOPE = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_KEYS = (
    "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
    "<SessionToken>t</SessionToken><Expiration>{}</Expiration></Credentials>"
)


class Request(NamedTuple):
    """A request to a service, and whose access key signed it ("" for none)."""

    key: str
    service: str
    region: str
    asked: str
    during: int
    """What `Recorder.stage` said then."""


@dataclass
class Recorder:
    """The server's address, and what it was asked, the metadata service aside."""

    endpoint: str = ""
    requests: list[Request] = field(default_factory=list)
    stage: Callable[[], int] = lambda: 0
    """Where the test is; asked at each request."""

    def answer(self, method: str, path: str, headers: Message, body: bytes) -> tuple[str, bytes]:
        """The content type and body for one request."""
        if path.startswith("/latest/"):
            return "text/plain", _metadata(path).encode()
        found = _SCOPE.search(headers.get("Authorization", ""))
        key, region, service = found.groups() if found else ("", "", "s3")
        action = re.search(rb"Action=(\w+)", body)
        target = headers.get("X-Amz-Target", action[1].decode() if action else "")
        self.requests.append(Request(key, service, region, f"{method} {path} {target}", self.stage()))
        if service in ("eks", "dynamodb", "ssm", "ecr"):
            return "application/x-amz-json-1.1", json.dumps(_json(service, path)).encode()
        return "text/xml", _xml(service, region, method, path, target).encode()


def _metadata(path: str) -> str:
    if path.endswith("/token"):
        return "token"
    if path.endswith("/security-credentials/"):
        return "instance"
    return json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": INSTANCE_KEY,
            "SecretAccessKey": "s",
            "Token": "t",
            "LastUpdated": "2024-01-01T00:00:00Z",
            "Expiration": "2099-01-01T00:00:00Z",
        }
    )


def _json(service: str, path: str) -> object:
    if service == "eks":
        name = path.rpartition("/")[2]
        certificate = {"data": base64.b64encode(b"certificate").decode()}
        arn = f"arn:aws:eks:eu-west-1:111122223333:cluster/{name}"
        return {
            "cluster": {
                "name": name,
                "arn": arn,
                "endpoint": "https://cluster.example",
                "certificateAuthority": certificate,
                "status": "ACTIVE",
            }
        }
    if service == "ecr":
        token = base64.b64encode(b"AWS:password").decode()
        return {"authorizationData": [{"authorizationToken": token, "expiresAt": 4070908800}]}
    return (
        {"TableNames": ["one", "two"]}
        if service == "dynamodb"
        else {"Parameter": {"Name": "n", "Value": "v"}}
    )


def _xml(service: str, region: str, method: str, path: str, action: str) -> str:
    if service == "sts":
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        arn = f"arn:aws:sts::111122223333:seen-in/{region}"
        inner = {
            "GetSessionToken": _KEYS.format(SESSION_KEY, soon),
            "AssumeRole": _KEYS.format("ASIAROLE", soon)
            + f"<AssumedRoleUser><Arn>{arn}</Arn><AssumedRoleId>A:b</AssumedRoleId></AssumedRoleUser>",
        }.get(action, f"<Arn>{arn}</Arn><UserId>u</UserId><Account>111122223333</Account>")
        name = "https://sts.amazonaws.com/doc/2011-06-15/"
        return f'<{action}Response xmlns="{name}"><{action}Result>{inner}</{action}Result></{action}Response>'
    if service == "ec2":
        item = f"<item><regionName>{region}</regionName><regionEndpoint>e</regionEndpoint></item>"
        return f"<DescribeRegionsResponse><regionInfo>{item}</regionInfo></DescribeRegionsResponse>"
    if service == "iam":
        return "<ListUsersResponse><ListUsersResult><Users/></ListUsersResult></ListUsersResponse>"
    if path.partition("?")[0] == "/" and method == "GET":
        bucket = "<Bucket><Name>one</Name><CreationDate>2024-01-01T00:00:00.000Z</CreationDate></Bucket>"
        return f"<ListAllMyBucketsResult><Buckets>{bucket}</Buckets></ListAllMyBucketsResult>"
    return "hello" if method in ("GET", "HEAD") else ""


@contextmanager
def recording() -> Iterator[Recorder]:
    """Serves on loopback until the block ends."""
    recorder = Recorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 1024 * 1024))
            kind, answer = recorder.answer(self.command, self.path, self.headers, body)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.send_header("ETag", '"5d41402abc4b2a76b9719d911017c592"')
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.send_header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    for method in ("HEAD", "POST", "PUT"):
        setattr(Handler, f"do_{method}", Handler.do_GET)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        recorder.endpoint = f"http://127.0.0.1:{server.server_port}"
        try:
            yield recorder
        finally:
            server.shutdown()
