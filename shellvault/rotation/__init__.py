"""Long-term keys replaced by new ones, without a moment in which a secret exists nowhere."""
