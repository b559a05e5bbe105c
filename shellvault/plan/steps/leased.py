"""Credentials on a lease, from the AWS secrets engine of HashiCorp Vault or OpenBao."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

from shellvault.display import printable
from shellvault.errors import ConfigError
from shellvault.plan.endpoints import AWS, Endpoint
from shellvault.plan.options import Options
from shellvault.plan.steps.base import A_ROLE, HOUR, Shown, Step, fingerprinted
from shellvault.profiles.durations import format_duration
from shellvault.profiles.model import EngineServer, Profile, SecretsEngine


@dataclass(frozen=True, slots=True)
class Leased(Step):
    """What a role of a secrets engine gives."""

    call: ClassVar[str] = "secrets-engine"
    # Vault's default limit for leases (max_lease_ttl).
    longest: ClassVar[int] = 768 * HOUR
    reads_environment: ClassVar[bool] = True
    endpoint_setting: ClassVar[str] = "VAULT_ADDR"
    not_narrowed: ClassVar[str] = (
        f"the Vault role decides what these credentials allow: name another shellvault_vault_role, or {A_ROLE}"
    )

    engine: SecretsEngine
    server: EngineServer
    duration: int | None = None
    """Lifetime to ask for, in seconds."""

    @classmethod
    def begin(cls, root: Profile, partition: str, options: Options) -> Sequence[Step]:
        engine = root.engine
        if engine is None:
            return ()
        if engine.server is None:
            raise ConfigError(
                f"profile {printable(root.name)} has its credentials from Vault, and VAULT_ADDR is not set: "
                "`export VAULT_ADDR=https://…`"
            )
        duration = root.durations.session_token or root.durations.assume_role
        endpoint = Endpoint(AWS.region, engine.server.address, ca_bundle=engine.server.ca)
        return [fingerprinted(cls(root.name, engine, engine.server, duration, endpoint=endpoint), None)]

    def facts(self) -> dict[str, object]:
        return {"duration": self.duration, "engine": asdict(self.engine)}

    def shown(self) -> list[Shown]:
        namespace = self.server.namespace
        path = self.engine.path + (f" in namespace {namespace}" if namespace else "")
        lasts = format_duration(self.duration) if self.duration else None
        return [
            ("vault_path", self.engine.path, printable(path)),
            ("vault_namespace", namespace, None),
            ("duration", self.duration, lasts),
        ]
