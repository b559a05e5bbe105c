"""The questions of `add`: each answer is checked at once, and a wrong one is asked for again."""

import re
from collections.abc import Callable

from shellvault.dialogue import terminal
from shellvault.errors import UsageError

#: Wrong answers to one question before the command gives up.
TRIES = 10

KEY_ID, SECRET = "Enter Access Key Id: ", "Enter Secret Key: "

#: An access key id as AWS gives them: a user's (AKIA) or a session's (ASIA); IAM User Guide, "Unique identifiers".
_AWS_KEY_ID = re.compile(r"(?<![A-Za-z0-9/+])A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9/+])")
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])")

#: `aws_secret_access_key = `, `export AWS_ACCESS_KEY_ID=`, `Secret access key: `, as files and consoles write them.
_LABEL = re.compile(
    r"(?i)(?:export\s+|set\s+|\$env:)?[\"']?(?:aws[_ ])?(?:access|secret)[\w -]*?key(?:[_ -]?id)?[\"']?\s*[:=]"
)

#: The prefixes of other ids, which may be pasted by mistake (IAM User Guide).
_OTHER_IDS = {
    "AIDA": "a user",
    "AROA": "a role",
    "AGPA": "a group",
    "AIPA": "an instance profile",
    "ANPA": "a policy",
}


def ask_keys() -> tuple[str, str]:
    """An access key id and its secret, typed one after the other or pasted at once; neither paste is ever shown.

    A paste may be two lines, or the console's CSV file with its heading. Raises UsageError when the answers stay
    wrong, NeedsPersonError if no person can be asked.
    """
    terminal.show("Type or paste both (two lines, or the console's CSV file): nothing is shown.\n")
    with terminal.silent() as silent:
        for _ in range(TRIES):
            access_key_id, secret = _asked_pair(silent.ask)
            while odd := _oddities(access_key_id, secret):
                silent.drop_paste()
                answer = silent.ask(f"{odd}. Really store them? (y|N, or paste the right secret) ").strip()
                terminal.show("\n")
                if terminal.is_yes(answer):
                    return access_key_id, secret
                if not _AWS_SECRET.fullmatch(_without_label(answer)):
                    break
                secret = _without_label(answer)
            else:
                return access_key_id, secret
    raise _given_up()


def ask_mfa_serial() -> str:
    """The serial number or ARN of an MFA device, "" for none. Raises as `ask_keys` does."""
    problem = "that is no MFA device: give its ARN (arn:aws:iam::123456789012:mfa/name) or a serial number"
    return _asked_again(
        "Enter MFA device ARN (blank: none): ", r"(?:[\w+=/:,.@-]{9,256})?", problem, r"arn:.*"
    )


def ask_region() -> str:
    """A region, "" for none. Raises as `ask_keys` does."""
    from shellvault.plan.regions import near

    problem = "that is no region: give its name, such as eu-central-1"
    for _ in range(TRIES):
        region = _asked_again(
            "Enter region, such as eu-central-1 (blank: none): ",
            r"(?:[a-z]{2,5}(?:-[a-z]+)+-[0-9]{1,2})?",
            problem,
            r"[a-z]+(?:-[a-z]+)+-[0-9]{1,2}",
        )
        meant = near(region) if region else None
        if meant is None:
            return region
        terminal.show(f"there is no region {region}: did you mean {meant}?\n")
    raise _given_up()


def key_id_problem(text: str) -> str | None:
    """Why this cannot be the id of a user's own keys; None when it can."""
    if text.startswith("ASIA"):
        return (
            "an id that starts with ASIA belongs to temporary keys; only an IAM user's own keys can be stored"
        )
    if text[:4] in _OTHER_IDS and len(text) > 16:
        return f"an id that starts with {text[:4]} is that of {_OTHER_IDS[text[:4]]}, not of an access key (AKIA…)"
    # AWS API, AccessKey: the id is 16 to 128 word characters; emulators use shorter ones.
    if not re.fullmatch(r"[A-Za-z0-9_]{4,128}", text):
        return "that is no access key id: it has only letters, digits and _ (AKIA…)"
    return None


def secret_problem(text: str) -> str | None:
    """Why this cannot be a secret access key; None when it can."""
    if not re.fullmatch(r"[!-~]{4,256}", text):
        return "that is no secret key: it has only printable characters without spaces"
    return None


def _asked_pair(ask: Callable[[str], str]) -> tuple[str, str]:
    access_key_id, secret = _asked_key_id(ask)
    # Anything else could be a secret, given too early.
    terminal.show(f"{access_key_id if _AWS_KEY_ID.fullmatch(access_key_id) else '(taken)'}\n")
    if secret is not None and secret_problem(secret) is None:
        return access_key_id, secret
    prompt = SECRET
    for _ in range(TRIES):
        secret = _without_label(ask(prompt))
        terminal.show("\n")
        problem = secret_problem(secret)
        if _AWS_KEY_ID.fullmatch(secret):
            problem = "that is an access key id, not the secret that belongs to it"
        if problem is None:
            return access_key_id, secret
        terminal.show(f"{problem}.\n")
    raise _given_up()


def _asked_key_id(ask: Callable[[str], str]) -> tuple[str, str | None]:
    """The id, and the secret where both came on one line."""
    prompt = KEY_ID
    for _ in range(TRIES):
        access_key_id, secret = read_pair(ask(prompt))
        if access_key_id is None:
            # A heading: the pasted text continues below it.
            prompt = ""
            continue
        problem = key_id_problem(access_key_id)
        if re.fullmatch(r"AKIA\w*", access_key_id) and not _AWS_KEY_ID.fullmatch(access_key_id):
            problem = f"an id that starts with AKIA has 20 characters, this one {len(access_key_id)}"
        elif _AWS_SECRET.fullmatch(access_key_id):
            problem = "that looks like a secret key: its id comes first (AKIA…)"
        if problem is None:
            return access_key_id, secret
        terminal.show(f"\n{problem}.\n")
        prompt = KEY_ID
    raise _given_up()


def read_pair(line: str) -> tuple[str | None, str | None]:
    """The access key id in a typed or pasted line, and the secret if it is there too.

    No id for the heading of a CSV file or of a section in a credentials file.
    """
    line = line.strip().removeprefix("\ufeff").strip()
    found = _AWS_KEY_ID.search(line)
    if found:
        secret = _AWS_SECRET.search(line, found.end())
        return found.group(), secret.group() if secret else None
    if re.fullmatch(r"\[[^]]*\]", line) or re.search(r"(?i)access key id.*secret", line):
        return None, None
    fields = [field.strip("\"' ") for field in re.split(r"[,;\s]+", _without_label(line))]
    return (fields[0], fields[1]) if len(fields) == 2 and all(fields) else (_without_label(line), None)


def _without_label(line: str) -> str:
    line = line.strip()
    value = _LABEL.sub("", line, count=1).strip()
    is_quoted = len(value) > 1 and value[0] in "\"'" and value[-1] in "\"',;"
    return value.strip("\"',; ") if value != line or is_quoted else value


def _oddities(access_key_id: str, secret: str) -> str:
    """What AWS's own keys do not look like; an emulator's may."""
    odd = []
    if not _AWS_KEY_ID.fullmatch(access_key_id):
        odd.append("the id is not like one of AWS (AKIA and 16 more)")
    if not _AWS_SECRET.fullmatch(secret):
        odd.append(
            f"the secret has {len(secret)} characters"
            if len(secret) != 40
            else "the secret has unusual characters"
        )
        odd[-1] += ", one of AWS has 40 letters, digits, / and +"
    return "; ".join(odd)[:1].upper() + "; ".join(odd)[1:]


def _asked_again(prompt: str, pattern: str, problem: str, public: str) -> str:
    """An answer that matches `pattern`. One that matches `public` is no secret, and is shown."""
    for _ in range(TRIES):
        answer = terminal.ask(prompt, shown=lambda text: re.fullmatch(public, text.strip(), re.ASCII)).strip()
        if re.fullmatch(pattern, answer, re.ASCII):
            return answer
        terminal.show(f"{problem}.\n")
    raise _given_up()


def _given_up() -> UsageError:
    return UsageError(f"{TRIES} answers were not what was asked for: nothing was stored")
