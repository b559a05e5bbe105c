"""Opens a link in the person's browser, and keeps it off command lines."""

#: Instead of a browser's command: open none.
NO_BROWSER = "none"
