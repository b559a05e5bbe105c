"""Watches the desktop for a locked screen or a suspend, in its own process, only if `lock_on` is set."""
