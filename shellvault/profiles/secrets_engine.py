"""`shellvault_vault_role`: a profile's credentials from the AWS secrets engine of HashiCorp Vault or OpenBao.

The server is described by the variables that its own command reads (Vault's documentation, "Commands (CLI)").
"""

from collections.abc import Callable

from shellvault.profiles.model import EngineServer, SecretsEngine
from shellvault.profiles.settings import Setting
from shellvault.profiles.shapes import shaped

#: As Go's strconv.ParseBool, with which Vault reads VAULT_SKIP_VERIFY.
_TRUTHS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}

Find = Callable[[str], Setting | None]


def secrets_engine(find: Find, variable: Find) -> SecretsEngine | None:
    """The engine that a profile names. Raises ConfigError for a name or an address that cannot be one.

    `find` looks up a key of the profile, `variable` an environment variable.
    """
    role = find("shellvault_vault_role")
    if role is None:
        return None
    mount, endpoint = find("shellvault_vault_mount"), find("shellvault_vault_endpoint")
    if endpoint and endpoint.text not in ("creds", "sts"):
        raise endpoint.error("is neither `creds` nor `sts`")
    return SecretsEngine(
        shaped(role, "engine_role"),
        shaped(mount, "mount").rstrip("/") if mount else "aws",
        "sts" if endpoint and endpoint.text == "sts" else "creds",
        _server(variable),
    )


def _server(variable: Find) -> EngineServer | None:
    address = variable("VAULT_ADDR")
    if address is None:
        return None
    namespace, skip = variable("VAULT_NAMESPACE"), variable("VAULT_SKIP_VERIFY")
    if skip and skip.text not in _TRUTHS:
        raise skip.error("is neither `true` nor `false`")
    ca = variable("VAULT_CACERT") or variable("VAULT_CAPATH")
    return EngineServer(
        shaped(address, "url").rstrip("/"),
        shaped(namespace, "mount").strip("/") if namespace else None,
        shaped(ca, "text") if ca else None,
        _TRUTHS[skip.text] if skip else False,
    )
