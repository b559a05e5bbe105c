"""A link opened in a person's browser, without leaving it on a command line."""

from shellvault.browser.opener import Opened, open_link

__all__ = ["Opened", "open_link"]

#: In the place of a browser's command: opens none.
NO_BROWSER = "none"
