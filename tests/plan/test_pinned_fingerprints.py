"""Sessions that users have kept stay theirs: fingerprints are what they were in the first release."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shellvault.plan import Options, Plan, build
from shellvault.plan.steps import KINDS
from shellvault.profiles.model import Durations, EngineServer, Narrowing, Profile, SecretsEngine, Sso
from tests.plan.profiles import (
    bar_role2,
    foo_admin,
    foo_readonly,
    jonsmith,
    lasting,
    login,
    plan_of,
    process,
    sso,
    web,
)

ROLE = "arn:aws:iam::222222222222:role/ReadOnly"
SERVER = EngineServer("https://vault.example:8200", "team", "/ca.pem")
environment = Profile("environment", True, role_arn=ROLE, credential_source="Environment")
ec2 = Profile(
    "ec2",
    True,
    credential_source="Ec2InstanceMetadata",
    instance_metadata={"ec2_metadata_service_endpoint": "http://[fd00:ec2::254]"},
)
ecs = Profile("ecs", True, credential_source="EcsContainer")
engine = Profile("engine", True, engine=SecretsEngine("deploy", server=SERVER))
engine_role = Profile(
    "engine-role", True, engine, role_arn=ROLE, durations=Durations(session_token=1800, assume_role=900)
)
sts_engine = Profile(
    "sts", True, engine=SecretsEngine("r", "m", "sts", replace(SERVER, ca=None)), durations=Durations(900)
)
web_process = Profile(
    "web-process",
    True,
    role_arn=ROLE,
    web_identity_token_process="give token",
    role_session_name="me",
    narrowing=Narrowing(policy='{"Statement":[]}'),
)
full = replace(
    foo_readonly,
    external_id="x",
    role_session_name="n",
    source_identity="i",
    session_tags=(("b", "2"), ("a", "1")),
    transitive_session_tags=("b", "a"),
    endpoint_url="https://sts.example",
    narrowing=Narrowing(read_only=True),
)
sso_session = replace(
    sso,
    sso=Sso(
        "https://x.awsapps.com/start/#/",
        "eu-west-1",
        "111111111111",
        "Admin",
        "corp",
        ("sso:account:access",),
    ),
)
sso_role = Profile("sso-role", True, sso, role_arn=ROLE, region="eu-central-1")
process_role = replace(foo_admin, source=process, mfa_process="code")
login_fips = replace(login, region="us-gov-west-1", own_region="us-gov-west-1", use_fips_endpoint=True)
jonsmith_half = replace(jonsmith, durations=Durations(session_token=1800, federation_token=1800))

#: Every kind of step, in every way it is reached.
PLANS: dict[str, Callable[[], Plan]] = {
    "stored keys": lambda: plan_of(jonsmith, no_session=True),
    "session token": lambda: plan_of(jonsmith),
    "session token, half an hour": lambda: plan_of(jonsmith_half),
    "session token before a role": lambda: plan_of(foo_admin),
    "role with stored keys": lambda: plan_of(foo_readonly),
    "role with every option": lambda: plan_of(full),
    "role, long, with a code": lambda: plan_of(lasting(7200, foo_admin)),
    "role from a role": lambda: plan_of(bar_role2),
    "role from a process": lambda: plan_of(process_role),
    "process": lambda: plan_of(process),
    "web identity": lambda: plan_of(web),
    "web identity from a process, narrowed": lambda: plan_of(web_process),
    "portal": lambda: plan_of(sso),
    "portal by a session": lambda: plan_of(sso_session),
    "role from a portal": lambda: plan_of(sso_role),
    "AWS sign-in": lambda: plan_of(login),
    "AWS sign-in, FIPS": lambda: plan_of(login_fips),
    "role from the environment": lambda: build(environment, {}, Options(environment_key_id="AKIAENV")),
    "instance": lambda: plan_of(ec2),
    "container": lambda: plan_of(ecs),
    "engine": lambda: plan_of(engine),
    "role from an engine": lambda: plan_of(engine_role),
    "engine, sts": lambda: plan_of(sts_engine),
    "federation": lambda: plan_of(jonsmith_half, console=True),
}

#: The fingerprints of each plan's steps.
PINNED = {
    "stored keys": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
    ],
    "session token": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
        "1f79352908b68e9961c60f05d3b4634f5049c5a0891979afea7dd8b8c39d0232",
    ],
    "session token, half an hour": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
        "1342d7c7bc58a05ada560486f8445cd5beff2fec692af5007b6a7a8657086d65",
    ],
    "session token before a role": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
        "dcabd6cb8a22c7fe71e54be5a5baf4fae66da6ee223e7bf14268e8f74eb04324",
        "9a4025823743e6dc4bafcef08c60680c541fd76e54476e565582680a7a0150a2",
    ],
    "role with stored keys": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
        "abe4f8660f8c3689dee5e892d42b2a85a4062e976bb7d4a066d2e5d466bc95be",
    ],
    "role with every option": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
        "8b02adb33ab757624e5e5ec8fbda146fb65944f7077756412201f5ab2993fb71",
    ],
    "role, long, with a code": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
        "0067a92b0623984ab85b6506c5abd40ac44f5da336fd4387b006903fd45af187",
    ],
    "role from a role": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
        "dcabd6cb8a22c7fe71e54be5a5baf4fae66da6ee223e7bf14268e8f74eb04324",
        "68bfd878759e656c9d3589d569159a698ff4d5230eb76981d36fd21f3ebf90ab",
        "ad89d493e34b98a235f78fa3e71444ef0e82ad8788487c6e4ff8b1607e298d80",
    ],
    "role from a process": [
        "03dc8e041b5a62a92662a43599b74f9916cbeea27ead048d9741155b938876f6",
        "6b202e4f6549d02e9ddaee063207783672cafd5ea4213d4b2ad6efde38748a2a",
    ],
    "process": [
        "03dc8e041b5a62a92662a43599b74f9916cbeea27ead048d9741155b938876f6",
    ],
    "web identity": [
        "c7d1f3a42cc892862ae5a0e80c4984b76eebaf10449ee514b975b9f76d57374b",
    ],
    "web identity from a process, narrowed": [
        "41ce0ae6d615689b528292cd40a72943f3e3502c21215a8cb587c35cf4971a2d",
    ],
    "portal": [
        "c09079213216bd36e229c6b09a246450c436be1ccf568a3291ea25fda3d74f0a",
        "570c110037736e81edf73ead739912320a3e074abed170fad8041e556d52cd3e",
    ],
    "portal by a session": [
        "f267124304d052d6f9d1b89d226c249ec14bd2f48aeb261b5495c5d217c2d058",
        "171f98d9c37996ae6b1643806fe6b00fd9467e13e4a14ee27699cb6f96c17be2",
    ],
    "role from a portal": [
        "c09079213216bd36e229c6b09a246450c436be1ccf568a3291ea25fda3d74f0a",
        "570c110037736e81edf73ead739912320a3e074abed170fad8041e556d52cd3e",
        "7e2bfcece6f2f1c28507c03cbe80c8897f81b2e03d55016988aeefc16e98e4e9",
    ],
    "AWS sign-in": [
        "401b3c5948f2c9040734a975d74aa1f6d69a277f750ebd2e35d88fc7f44ec6a9",
    ],
    "AWS sign-in, FIPS": [
        "5070f5d0d0e28e3ce009d93d44552d0bb18d9341604db447ff57d5066495b41d",
    ],
    "role from the environment": [
        "fcf38f498519b86b0875f73784221ca494a580e33b0abd6bef0d90a7daa332d1",
        "2bd52ff167a05549eacad7cf034e8de17d0b68335933fec98d80555414a85ee2",
    ],
    "instance": [
        "abb3991705e30ec92586b885f4964db2e9f7403ee03a0f18e06ab61d8f807073",
    ],
    "container": [
        "65ac4ca60c948f4e70c9b8a8f9338688f29ef9c9a24dc64c9b6f5a6e2ab235a3",
    ],
    "engine": [
        "aa9582ae505d8f79c267fccb7f2fc601c163affc198fdab46fb2c77a9e878b0a",
    ],
    "role from an engine": [
        "aa9582ae505d8f79c267fccb7f2fc601c163affc198fdab46fb2c77a9e878b0a",
        "e56a353dcdf32975f9e8152e3fb8d143023d5fda11ba8f6d5ea5a0e0af7ff47e",
    ],
    "engine, sts": [
        "de9c9bdf61934b42fe60799fae897f7657be55387999604fb288cf22799a36a4",
    ],
    "federation": [
        "9485b6814944273799f74611cae8a620c2808bf7a91e4544b785f2244042354e",
        "51221f47b184ee5ff1186a94ca5232e62e4f12b1ae4722d831c200f310d925d0",
    ],
}


@pytest.mark.parametrize("name", PLANS)
def test_fingerprints_are_what_they_were(name: str) -> None:
    assert [step.fingerprint for step in PLANS[name]().steps] == PINNED[name]


def test_every_kind_of_step_is_pinned() -> None:
    pinned = {step.call for plan in PLANS.values() for step in plan().steps}
    assert pinned == {kind.call for kind in KINDS}
