"""Long-term keys from the vault."""

from dataclasses import dataclass, field
from typing import ClassVar

from shellvault.plan.steps.base import A_ROLE, CachePlace, Step


@dataclass(frozen=True, slots=True)
class StoredKeys(Step):
    """The keys that are stored under the profile's name: `access_key_id` says which."""

    call: ClassVar[str] = "stored-keys"
    is_cached: ClassVar[bool] = False
    not_narrowed: ClassVar[str] = f"AWS takes no session policy with long-term keys: {A_ROLE}"

    cache: CachePlace = field(default="none", kw_only=True)
    may_be_users: bool = field(default=True, kw_only=True)
