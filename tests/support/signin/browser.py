"""A browser for tests: goes where it is sent, redirects included, and notes each visit in BROWSER_LOG.

Run as a program, since openers and AWS CLI 2 start one: `python browser.py URL`. Every visit is one line.
"""

import os
import sys
import urllib.error
import urllib.request


def main() -> None:
    """Visits the last argument."""
    url = sys.argv[-1]
    if log := os.environ.get("BROWSER_LOG"):
        with open(log, "a") as stream:
            stream.write(f"{url}\n")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(url, timeout=10).read()
    except (urllib.error.URLError, OSError) as error:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
