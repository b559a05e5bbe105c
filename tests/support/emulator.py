"""An emulated AWS that checks signatures, policies and expiry: ministack on a free loopback port."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.clients import need

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True)
class Keys:
    """Credentials as boto3's clients take them."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False, default=None)


#: The emulator's root user.
ROOT = Keys("test", "test")


@dataclass(frozen=True)
class Aws:
    """A running emulator."""

    endpoint: str
    pid: int

    def client(self, service: str, keys: Keys = ROOT) -> Any:
        """A boto3 client of this emulator, signing with `keys`."""
        import boto3

        client: Any = boto3.client
        return client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
        )

    def user(self, name: str) -> Keys:
        """A new IAM user who may do everything, with one access key."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=_policy("*"))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(key["AccessKeyId"], key["SecretAccessKey"])

    def role(
        self,
        name: str,
        *,
        trusts: str,
        conditions: dict[str, Any] | None = None,
        allows: Sequence[str] = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"),
    ) -> str:
        """The ARN of a new role that may do everything, and that `trusts` (`user/a`, `role/b`) may assume.

        Its trust policy `allows` these actions.
        """
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:{trusts}"},
            "Action": list(allows),
            "Condition": conditions or {},
        }
        iam = self.client("iam")
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, MaxSessionDuration=43200)
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=_policy("*"))
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def identity(self, keys: Keys) -> str:
        """The ARN that AWS sees behind `keys`. Raises botocore's ClientError when it refuses them."""
        arn: str = self.client("sts", keys).get_caller_identity()["Arn"]
        return arn


def _policy(actions: str) -> str:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def free_port() -> int:
    """A loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(folder: Path) -> Iterator[Aws]:
    """Runs an emulator until the block ends, with its whole state in `folder` (it uses the temp folder)."""
    port = free_port()
    environment = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "HOME": str(folder),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "PATH": os.environ["PATH"],
        "SFTP_ENABLED": "0",
        "TMPDIR": str(folder),
    }
    log = folder / "ministack.log"
    with log.open("wb") as output:
        process = subprocess.Popen([need("ministack")], env=environment, stdout=output, stderr=output)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        yield Aws(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        process.wait(timeout=10)


def _wait_until_ready(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 30
    while True:
        try:
            direct.open(f"{endpoint}/_ministack/health", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the emulator did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
