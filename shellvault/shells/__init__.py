"""What a shell is: its quoting, how to tell which one is asking, and the text it evaluates."""

#: The shells that shellvault speaks; each has a folder of templates of the same name.
SHELLS = ("bash", "zsh", "fish", "powershell")
