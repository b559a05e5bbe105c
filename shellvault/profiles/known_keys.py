"""The keys of profiles and sso-sessions: those of shellvault, of AWS's tools and of other tools."""

import difflib
from functools import lru_cache

from shellvault.profiles.settings import OWN_KEYS

#: The keys that shellvault reads in a profile or sso-session.
READ = OWN_KEYS | frozenset(
    (
        "ca_bundle",
        "credential_process",
        "credential_source",
        "duration_seconds",
        "ec2_metadata_service_endpoint",
        "ec2_metadata_service_endpoint_mode",
        "ec2_metadata_v1_disabled",
        "endpoint_url",
        "external_id",
        "ignore_configured_endpoint_urls",
        "include_profile",
        "login_session",
        "mfa_process",
        "mfa_serial",
        "region",
        "role_arn",
        "role_session_name",
        "services",
        "session_tags",
        "source_identity",
        "source_profile",
        "sso_account_id",
        "sso_region",
        "sso_registration_scopes",
        "sso_role_name",
        "sso_session",
        "sso_start_url",
        "sts_regional_endpoints",
        "transitive_session_tags",
        "use_dualstack_endpoint",
        "use_fips_endpoint",
        "web_identity_token_file",
        "web_identity_token_process",
    )
)

#: Further keys of the AWS CLI and the SDKs (AWS SDKs and Tools Reference Guide; botocore.configprovider; the AWS CLI
#: User Guide, "Configuration and credential file settings").
_OF_AWS = frozenset(
    (
        "account_id_endpoint_mode",
        "api_versions",
        "auth_scheme_preference",
        "aws_access_key_id",
        "aws_account_id",
        "aws_secret_access_key",
        "aws_security_token",
        "aws_session_token",
        "csm_client_id",
        "csm_enabled",
        "csm_host",
        "csm_port",
        "data_path",
        "defaults_mode",
        "disable_host_prefix_injection",
        "disable_request_compression",
        "endpoint_discovery_enabled",
        "imds_use_ipv6",
        "max_attempts",
        "metadata_service_num_attempts",
        "metadata_service_timeout",
        "output",
        "parameter_validation",
        "region_set",
        "request_checksum_calculation",
        "request_min_compression_size_bytes",
        "response_checksum_validation",
        "retry_mode",
        "s3",
        "s3_disable_express_session_auth",
        "s3_disable_multiregion_access_points",
        "s3_us_east_1_regional_endpoint",
        "s3_use_arn_region",
        "s3api",
        "sdk_ua_app_id",
        "sigv4a_signing_region_set",
        "tcp_keepalive",
        "use_arn_region",
    )
)

#: What other tools keep in the same file: aws-extend-switch-roles, aws-vault, AWSume, aws-sso-util, saml2aws.
_OF_OTHERS = frozenset(
    (
        "account_id",
        "color",
        "expiration",
        "image",
        "parent_profile",
        "role_duration",
        "role_name",
        "session_name",
        "sso_account_name",
        "sso_auto_populated",
        "target_region",
        "target_role_name",
    )
)
_PREFIXES_OF_OTHERS = (
    "adfs",
    "aws_adfs",
    "awsume",
    "azure_",
    "cli_",
    "granted_",
    "okta_",
    "saml",
    "toolkit_",
    "x_",
)

#: What people write for a key that is called otherwise.
_WORDS = {
    "mfa": "mfa_serial",
    "mfa_arn": "mfa_serial",
    "mfa_device": "mfa_serial",
    "mfa_serial_number": "mfa_serial",
    "sso_url": "sso_start_url",
    "start_url": "sso_start_url",
}

#: How alike a key is to one that is read here before it is taken for it. `role_anr` is 0.88 like `role_arn`, and
#: `role_name`, which is another tool's, 0.82 like `sso_role_name`.
_ALIKE = 0.83


@lru_cache(1024)
def meant(key: str) -> str | None:
    """The key that was probably meant by one that nothing reads; None for a known one, and for one like none.

    `key` is in lower case, as keys are read.
    """
    known = READ | _OF_AWS
    if key in known or key in _OF_OTHERS or key.startswith(_PREFIXES_OF_OTHERS):
        return None
    joined = key.replace("-", "_").replace(".", "_")
    if joined in known or joined in _WORDS:
        return _WORDS.get(joined, joined)
    # `sso_role` is half of a key, and of no other.
    whole = [each for each in READ if "_" in key and each.startswith(f"{joined}_")]
    if len(whole) == 1:
        return whole[0]
    return next(iter(difflib.get_close_matches(joined, sorted(READ), 1, _ALIKE)), None)
