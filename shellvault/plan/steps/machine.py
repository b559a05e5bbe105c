"""Credentials from a user's program, or from the machine around the process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from shellvault.plan.options import Options
from shellvault.plan.steps.base import A_ROLE, HOUR, Shown, Step, fingerprinted
from shellvault.profiles.model import CredentialSource, Profile


@dataclass(frozen=True, slots=True)
class Process(Step):
    """`credential_process`. Its session can only come from AWS, so it lasts 36 hours at most."""

    call: ClassVar[str] = "credential-process"
    longest: ClassVar[int] = 36 * HOUR
    not_narrowed: ClassVar[str] = (
        f"the program that gives these credentials (credential_process) decides what they allow: {A_ROLE}"
    )

    command: str
    may_be_users: bool = field(default=True, kw_only=True)

    @classmethod
    def begin(cls, root: Profile, partition: str, options: Options) -> Sequence[Step]:
        command = root.credential_process
        return [fingerprinted(cls(root.name, command), None)] if command else ()

    def facts(self) -> dict[str, object]:
        return {"credential_process": self.command}

    @property
    def programs(self) -> tuple[str, ...]:
        return (self.command,)


@dataclass(frozen=True, slots=True)
class Source(Step):
    """`credential_source`: the machine's own credentials."""

    call: ClassVar[str] = "credential-source"
    is_machines: ClassVar[bool] = True
    reads_environment: ClassVar[bool] = True
    longest: ClassVar[int] = 36 * HOUR
    not_narrowed: ClassVar[str] = (
        f"the machine that gives these credentials (credential_source) decides what they allow: {A_ROLE}"
    )

    source: CredentialSource
    instance_metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, root: Profile, partition: str, options: Options) -> Sequence[Step]:
        source = root.credential_source
        if source is None or root.web_identity_token_file or root.web_identity_token_process:
            return ()
        is_here = source == "Environment"
        step = cls(
            root.name,
            source,
            root.instance_metadata,
            access_key_id=options.environment_key_id if is_here else None,
            may_be_users=is_here,
            # The environment always has the current credentials: a kept copy could only be outdated.
            cache="none" if is_here else "memory",
        )
        return [fingerprinted(step, None)]

    def facts(self) -> dict[str, object]:
        metadata = sorted(self.instance_metadata.items())
        return {"credential_source": self.source, "instance_metadata": metadata}

    def shown(self) -> list[Shown]:
        return [("credential_source", self.source, self.source)]
