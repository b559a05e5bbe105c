"""The pages that the browser shows at the end of a sign-in. They load nothing and follow the dark mode."""

from http import HTTPStatus
from typing import Literal

Outcome = Literal["signed-in", "refused", "failed", "other-state", "second-visit"]

_TEXTS: dict[str, tuple[str, str, str]] = {
    "signed-in": ("ok", "You are signed in", "shellvault has what it needs. You can close this tab."),
    "refused": (
        "no",
        "The sign-in was refused",
        "Nothing was changed. You can close this tab.",
    ),
    "failed": (
        "no",
        "The sign-in did not work",
        "The terminal says why, and what to do. You can close this tab.",
    ),
    "other-state": (
        "no",
        "This was for another sign-in",
        "Nothing was done with it. If you have just started one, go on in the tab that it opened.",
    ),
    "second-visit": ("ok", "This sign-in is over", "Its answer has arrived already. You can close this tab."),
}

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title} - shellvault</title>
<style>
:root {{ color-scheme: light dark; --ink: #1c2024; --paper: #fff; --quiet: #5b636b; --ok: #18794e; --no: #b3261e }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #eceef0; --paper: #15181b; --quiet: #a6adb4; --ok: #4cc38a; --no: #ff8b7f }}
}}
body {{ margin: 18vh auto 0; max-width: 34rem; padding: 0 1.5rem; background: var(--paper); color: var(--ink);
  font: 1.1rem/1.5 system-ui, sans-serif }}
h1 {{ font-size: 1.6rem; margin: 0 0 .5rem; color: var(--{mood}) }}
p {{ margin: 0; color: var(--quiet) }}
</style>
<h1>{title}</h1>
<p>{text}</p>
<script>history.replaceState(null, "", location.pathname)</script>
</html>
"""

#: Nothing may be loaded, framed or cached, and the code in the address is sent to no other host.
_HEADERS = (
    "Cache-Control: no-store\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Connection: close\r\n"
)


def render(outcome: Outcome) -> bytes:
    """The whole HTTP reply for an outcome."""
    mood, title, text = _TEXTS[outcome]
    status = HTTPStatus.BAD_REQUEST if outcome == "other-state" else HTTPStatus.OK
    return _reply(
        status, _PAGE.format(mood=mood, title=title, text=text).encode(), "text/html; charset=utf-8"
    )


def bare(status: int) -> bytes:
    """A reply without a page."""
    return _reply(HTTPStatus(status), b"", "text/plain")


def _reply(status: HTTPStatus, body: bytes, kind: str) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    )
    return f"{head}{_HEADERS}\r\n".encode("ascii") + body
