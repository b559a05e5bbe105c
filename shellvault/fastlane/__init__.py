"""The warm path. Nothing may be imported here but what a bare interpreter has loaded, and a socket."""

#: Programs whose `--profile NAME` means what AWS_PROFILE=NAME does. With any other the option stays where it is.
PROFILE_OPTION = ("aws", "awslocal", "cdk", "cdklocal", "eksctl", "sam", "samlocal")
