"""Which addresses are this machine itself. The agent imports this module, so it stays small."""

import socket
from urllib.parse import urlsplit

_OF_IPV6 = socket.inet_pton(socket.AF_INET6, "::1")


def is_loopback(host: str) -> bool:
    """Whether it is `localhost`, an address of 127.0.0.0/8 (RFC 1122, 3.2.1.3) or `::1` (RFC 4291, 2.5.3)."""
    if host.lower() == "localhost":
        return True
    try:
        if ":" in host:
            return socket.inet_pton(socket.AF_INET6, host) == _OF_IPV6
        return socket.inet_pton(socket.AF_INET, host)[0] == 127
    except (OSError, ValueError):
        return False


def is_loopback_url(url: str) -> bool:
    """Whether the host of a URL is this machine."""
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
