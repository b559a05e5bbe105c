"""Terraform as one more program that looks for credentials: its S3 backend writes a state, without any provider."""

from pathlib import Path

from tests.support.clients import find
from tests.support.emulator import REGION, Aws

_BACKEND = """
terraform {{
  backend "s3" {{
    bucket                     = "{bucket}"
    key                        = "state"
    region                     = "{region}"
    endpoints                  = {{ s3 = "{endpoint}", sts = "{endpoint}", iam = "{endpoint}" }}
    use_path_style             = true
    skip_requesting_account_id = true
    skip_region_validation     = true
  }}
}}
"""


def writing_state(home: Path, aws: Aws, bucket: str) -> list[str]:
    """The words that have Terraform write a state with whatever it finds, into a new bucket; none without Terraform."""
    if not find("terraform"):
        return []
    aws.client("s3").create_bucket(Bucket=bucket)
    folder = home / "terraform"
    folder.mkdir()
    (folder / "main.tf").write_text(_BACKEND.format(bucket=bucket, region=REGION, endpoint=aws.endpoint))
    # The name is new each time, so that it writes each time.
    steps = "terraform init -no-color -input=false && terraform workspace new -no-color n$$"
    return [f"(cd {folder} && export CHECKPOINT_DISABLE=1 && {steps}) >&2"]


def states(aws: Aws, bucket: str) -> int:
    """How many states have been written."""
    return len(aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ()))
