"""The warm path. It imports only a socket and modules that a bare interpreter has loaded."""

#: Programs whose `--profile NAME` means what AWS_PROFILE=NAME does. For other programs the option stays as typed.
PROFILE_OPTION = ("aws", "awslocal", "cdk", "cdklocal", "eksctl", "sam", "samlocal")
