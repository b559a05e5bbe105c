"""Long-term keys replaced by new ones, without a moment in which a secret exists nowhere."""

#: The operations on the vault that ask AWS something (rotation.operation).
OPERATIONS = ("prove", "rotate")
