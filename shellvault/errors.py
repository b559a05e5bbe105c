"""The errors a person at the prompt can meet. Every message is one line that says what to do next."""


class ShellvaultError(Exception):
    """Something that ends a command with one clear line on stderr and exit status 1."""

    exit_status = 1


class UsageError(ShellvaultError):
    """The command line itself is wrong."""

    exit_status = 2


class ConfigError(ShellvaultError):
    """The AWS config file, or a plan made from it, cannot be used; the message names file, line or cycle."""


class UnknownProfileError(ConfigError):
    """There is no profile of that name, and there are no keys for it."""


class VaultError(ShellvaultError):
    """The vault cannot be read or written."""


class WrongPassphraseError(VaultError):
    """The passphrase does not open the encrypted file."""


class SessionError(ShellvaultError):
    """AWS, the network or a helper process refused a session."""


class NeedsPersonError(ShellvaultError):
    """A code, a passphrase or a sign-in is needed, and there is no way to ask a person."""


class NotAllowedError(ShellvaultError):
    """This caller may not have this session, even if a person agrees."""


class ApprovalNeededError(NotAllowedError):
    """A person has to allow this caller the session first."""


class MoreWantedError(NotAllowedError):
    """The command must give a reason, or have a person's consent."""


class AgentError(ShellvaultError):
    """The agent cannot be used; the command may work without it."""


class NotForAgentError(AgentError):
    """Only the command, not the agent, has what this session is made from."""
