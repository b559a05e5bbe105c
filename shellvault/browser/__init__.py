"""A link opened in a person's browser, without leaving it on a command line."""

#: In the place of a browser's command: opens none.
NO_BROWSER = "none"
