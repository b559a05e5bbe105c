"""From the AWS config file to a profile: reading, inheritance, overrides, and small edits."""
