"""The AWS CLI's command line: which profile it names, and whether the command needs credentials at all.

Source: the AWS CLI User Guide (global options, aliases) and tests with version 2. Global options may stand anywhere and
be shortened to an unambiguous prefix; the last of several counts, and nothing may follow `--`. An alias may have the
name of a command.
On the warm path: builtins only.
"""

from shellvault.fastlane.sections import Environment, keys, sections, text_of

#: Commands about profiles, sign-ins and the CLI itself: they write to the profile as it was named, and need no session.
WITHOUT_SESSION = ("configure", "help", "history", "login", "logout", "sso")
#: A subcommand of these that does need a session: it gives the credentials to another program.
EXPORT = ("configure", "export-credentials")
#: Global options with a value.
VALUE_OPTIONS = (
    "--ca-bundle",
    "--cli-binary-format",
    "--cli-connect-timeout",
    "--cli-error-format",
    "--cli-read-timeout",
    "--color",
    "--endpoint-url",
    "--output",
    "--profile",
    "--query",
    "--region",
)
#: Global options without one.
FLAGS = (
    "--cli-auto-prompt",
    "--debug",
    "--no-cli-auto-prompt",
    "--no-cli-pager",
    "--no-paginate",
    "--no-verify-ssl",
)
#: Options with which no credentials are used, and how short they may be here.
WITHOUT_CREDENTIALS = (
    ("--generate-cli-skeleton", "--generate-c"),
    ("--help", "--help"),
    ("--no-sign-request", "--no-s"),
    ("--version", "--ver"),
)
#: Links from one alias to another that are followed.
ALIAS_LIMIT = 8


def profile_option(arguments: list[str], may_be_short: bool) -> tuple[str | None, list[str]]:
    """The profile that `--profile` names, and the arguments without it; None where nothing does.

    The name is "" where the option has no usable value: the program itself reports that.
    """
    name = None
    kept = []
    index = 0
    while index < len(arguments):
        word = arguments[index]
        index += 1
        if word == "--":
            kept += arguments[index - 1 :]
            break
        option, equals, value = word.partition("=")
        if option != "--profile" and not (may_be_short and _is_one_of(option, ("--profile",))):
            kept.append(word)
        elif equals:
            name = value
        elif index == len(arguments) or arguments[index].startswith("-"):
            return "", arguments
        else:
            name = arguments[index]
            index += 1
    return name, kept


def needs_no_session(arguments: list[str], profile_is_named: bool, environment: Environment) -> bool:
    """Whether the command runs as well, or only as it should, without a session."""
    aliases = keys(sections(text_of(environment.get("HOME", "") + "/.aws/cli/alias")).get("toplevel", ""))
    for _ in range(ALIAS_LIMIT):
        words, place = _words(arguments)
        if place < 0:
            return True
        if not words:
            # The usage, or the prompt that makes the command together with a person.
            prompted = environment.get("AWS_CLI_AUTO_PROMPT", "off").lower() not in ("off", "")
            return not (prompted or "--cli-auto-prompt" in arguments)
        alias = aliases.pop(words[0], None)
        if alias is None:
            is_export = tuple(words[:2]) == EXPORT
            return (words[0] in WITHOUT_SESSION and not is_export) or _asks_for_help(words)
        if alias.startswith("!"):
            # A shell runs it, which never sees the option.
            return profile_is_named
        replacement = alias.split()
        if profile_option(replacement, True)[0] is not None:
            # The CLI refuses it.
            return True
        if not replacement:
            return False
        arguments = arguments[:place] + replacement + arguments[place + 1 :]
    return False


def _words(arguments: list[str]) -> tuple[list[str], int]:
    """The command's words and the place of the first one: -1 where an option says that no credentials are used.

    Words after an option that is not global do not count: they may be its value.
    """
    words: list[str] = []
    place, index, known = 0, 0, True
    while index < len(arguments) and arguments[index] != "--":
        word = arguments[index]
        if word.startswith("-"):
            option, equals, _ = word.partition("=")
            for whole, short in WITHOUT_CREDENTIALS:
                if option.startswith(short) and whole.startswith(option):
                    return [], -1
            takes_value = _is_one_of(option, VALUE_OPTIONS)
            known = known and (takes_value or _is_one_of(option, FLAGS))
            index += 1 if takes_value and not equals else 0
        elif known:
            place = place if words else index
            words.append(word)
        index += 1
    return words, place


def _is_one_of(option: str, options: tuple[str, ...]) -> bool:
    """Whether the CLI may take the word for one of `options`, as it is or as its beginning."""
    return len(option) > 2 and any(whole.startswith(option) for whole in options)


def _asks_for_help(words: list[str]) -> bool:
    """`aws help`, `aws s3 help`, `aws s3 ls help`, `aws ec2 wait instance-running help`."""
    return words[-1] == "help" and (len(words) < 4 or (len(words) == 4 and words[1] == "wait"))
