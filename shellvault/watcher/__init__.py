"""What hears from the desktop that the person is gone: a process of its own, only where `lock_on` asks for it."""
