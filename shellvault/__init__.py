"""AWS keys in the operating system's keyring, short-lived sessions in the shell that is already open."""

__version__ = "0.1.0"
