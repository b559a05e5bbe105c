"""What the emulator refuses as AWS does: each with its source. An emulator more generous than AWS proves nothing.

Sources: a model is that of the service in botocore; an issue is a public report of what AWS answered.
"""

from collections.abc import Callable

import pytest

from shellvault.signin import dpop
from tests.signin.world import DEVICE, REDIRECT, World, error_of, late
from tests.support.signin.oidc import DEVICE_GRANT
from tests.support.signin.replies import Answer

INVALID = "400 InvalidRequestException"
WRONG = "400 ValidationException INVALID_REQUEST"
MODEL, PKCE, OAUTH = "sso-oidc model", "RFC 7636", "RFC 6749"

REFUSED: list[tuple[str, str, str, Callable[[World], Answer]]] = [
    # What, source, answer, request.
    # RegisterClient.
    ("no name", MODEL, INVALID, lambda w: w.registered(clientName=None)),
    ("no type", MODEL, INVALID, lambda w: w.registered(clientType=None)),
    ("scopes that are no list", MODEL, INVALID, lambda w: w.registered(scopes="sso:account:access")),
    (
        "a confidential client",
        MODEL,
        "400 InvalidClientMetadataException",
        lambda w: w.registered(clientType="confidential"),
    ),
    (
        "an unknown grant",
        MODEL,
        "400 UnsupportedGrantTypeException",
        lambda w: w.registered(grantTypes=["password"]),
    ),
    (
        "one client for browser and device",
        "issue synfinatic/aws-sso-cli#1359",
        "400 InvalidScopeException",
        lambda w: w.registered(grantTypes=["authorization_code", DEVICE_GRANT, "refresh_token"]),
    ),
    (
        "a scope that is none",
        MODEL,
        "400 InvalidScopeException",
        lambda w: w.registered(scopes=["everything"]),
    ),
    (
        "26 scopes",
        "IAM Identity Center User Guide, OAuth scopes",
        "400 InvalidScopeException",
        lambda w: w.registered(scopes=[f"sso:scope:{number}" for number in range(26)]),
    ),
    (
        "a redirect to another machine",
        MODEL,
        "400 InvalidRedirectUriException",
        lambda w: w.registered(redirectUris=["http://example.com/oauth/callback"]),
    ),
    (
        "no redirect for a browser",
        "RFC 7591, 2",
        "400 InvalidRedirectUriException",
        lambda w: w.registered(redirectUris=None),
    ),
    ("no issuer for a browser", MODEL, INVALID, lambda w: w.registered(issuerUrl=None)),
    (
        "an unknown portal",
        "issue aws/aws-cli#7129",
        INVALID,
        lambda w: w.registered(issuerUrl="https://other.awsapps.com/start"),
    ),
    (
        "a portal of another region",
        "issue aws/aws-cli#8516",
        INVALID,
        lambda w: w.registered(region="us-east-1"),
    ),
    # StartDeviceAuthorization.
    ("no start URL", MODEL, INVALID, lambda w: w.device(startUrl=None)),
    (
        "an unknown start URL",
        "issue aws/aws-cli#7129",
        INVALID,
        lambda w: w.device(startUrl="https://other.awsapps.com/start"),
    ),
    (
        "a start URL of another region",
        "issue aws/aws-cli#8516",
        INVALID,
        lambda w: w.device(region="us-east-1"),
    ),
    ("an unknown client for a device", MODEL, "401 InvalidClientException", lambda w: w.device(clientId="x")),
    (
        "a wrong secret for a device",
        MODEL,
        "401 InvalidClientException",
        lambda w: w.device(clientSecret="x"),
    ),
    (
        "a client of 91 days",
        MODEL,
        "401 InvalidClientException",
        lambda w: late(w, w.client(DEVICE), 91 * 86400, lambda given: w.device(given)),
    ),
    ("a client for browsers", MODEL, "400 UnauthorizedClientException", lambda w: w.device(w.client())),
    # /authorize.
    (
        "an unknown client in the browser",
        f"{OAUTH}, 4.1.2.1",
        "page",
        lambda w: w.authorized({"clientId": "x"}),
    ),
    ("a client for devices", f"{OAUTH}, 4.1.2.1", "page", lambda w: w.authorized(w.client(DEVICE))),
    (
        "an expired client in the browser",
        MODEL,
        "page",
        lambda w: late(w, w.client(), 91 * 86400, w.authorized),
    ),
    (
        "a redirect that is not registered",
        f"{OAUTH}, 3.1.2.4",
        "page",
        lambda w: w.authorized(w.client(), redirect_uri="http://127.0.0.1:1/elsewhere"),
    ),
    (
        "a token at once",
        f"{OAUTH}, 4.1.2.1",
        "unsupported_response_type",
        lambda w: w.authorized(w.client(), response_type="token"),
    ),
    (
        "a plain challenge",
        PKCE,
        "invalid_request",
        lambda w: w.authorized(w.client(), code_challenge_method="plain"),
    ),
    ("no challenge", PKCE, "invalid_request", lambda w: w.authorized(w.client(), code_challenge=None)),
    ("no state", "what AWS CLI 2 sends", "invalid_request", lambda w: w.authorized(w.client(), state=None)),
    ("no scope", f"{OAUTH}, 4.1.2.1", "invalid_scope", lambda w: w.authorized(w.client(), scopes=None)),
    (
        "a scope that is not registered",
        f"{OAUTH}, 4.1.2.1",
        "invalid_scope",
        lambda w: w.authorized(w.client(), scopes="a:b:c"),
    ),
    # CreateToken.
    ("no grant", MODEL, INVALID, lambda w: w.token(w.with_code(), grantType=None)),
    (
        "a grant that is none",
        MODEL,
        "400 UnsupportedGrantTypeException",
        lambda w: w.token(w.with_code(), grantType="password"),
    ),
    (
        "a grant that is not registered",
        f"{OAUTH}, 5.2",
        "400 UnauthorizedClientException",
        lambda w: w.token(w.with_code(), grantType=DEVICE_GRANT),
    ),
    (
        "a wrong client secret",
        MODEL,
        "401 InvalidClientException",
        lambda w: w.token(w.with_code(), clientSecret="x"),
    ),
    ("an unknown code", MODEL, "400 InvalidGrantException", lambda w: w.token(w.with_code(), code="x")),
    (
        "a used code",
        f"{OAUTH}, 4.1.2",
        "400 InvalidGrantException",
        lambda w: w.twice(w.token, w.with_code()),
    ),
    (
        "a code of another client",
        f"{OAUTH}, 5.2",
        "400 InvalidGrantException",
        lambda w: w.token(w.with_code() | w.client()),
    ),
    (
        "a code after its end",
        MODEL,
        "400 ExpiredTokenException",
        lambda w: late(w, w.with_code(), 61, w.token),
    ),
    (
        "another redirect than before",
        f"{OAUTH}, 4.1.3",
        "400 InvalidGrantException",
        lambda w: w.token(w.with_code(), redirectUri=REDIRECT),
    ),
    (
        "another verifier",
        PKCE,
        "400 InvalidGrantException",
        lambda w: w.token(w.with_code(), codeVerifier="w" * 64),
    ),
    ("no verifier", PKCE, "400 InvalidGrantException", lambda w: w.token(w.with_code(), codeVerifier=None)),
    (
        "a device that waits",
        "RFC 8628, 3.5",
        "400 AuthorizationPendingException",
        lambda w: w.token(w.with_device()),
    ),
    (
        "a device that asks too often",
        "RFC 8628, 3.5",
        "400 SlowDownException",
        lambda w: (given := w.with_device(), w.token(given), w.token(given))[2],
    ),
    (
        "a device code after its end",
        "RFC 8628, 3.5",
        "400 ExpiredTokenException",
        lambda w: late(w, w.with_device(), 601, w.token),
    ),
    (
        "a device code of another client",
        f"{OAUTH}, 5.2",
        "400 InvalidGrantException",
        lambda w: w.token(w.with_device() | w.client(DEVICE)),
    ),
    (
        "a used refresh token",
        "issue aws/aws-cli#8561",
        "400 InvalidGrantException",
        lambda w: w.twice(w.token, w.with_refresh()),
    ),
    (
        "a refresh token of another client",
        f"{OAUTH}, 5.2",
        "400 InvalidGrantException",
        lambda w: w.token(w.with_refresh() | w.client()),
    ),
    (
        "a refresh token in another region",
        "issue tickernelz/opencode-kiro-auth#118",
        INVALID,
        lambda w: w.token(w.with_refresh(), region="us-east-1"),
    ),
    (
        "a refresh token after the portal session",
        "issue aws/aws-cli#7692",
        "400 InvalidGrantException",
        lambda w: late(w, w.with_refresh(), 8 * 86400, w.token),
    ),
    # The portal.
    (
        "an unknown token",
        "sso model",
        "401 UnauthorizedException",
        lambda w: w.asked("/assignment/accounts", "x"),
    ),
    (
        "a token of another region",
        "sso model",
        "401 UnauthorizedException",
        lambda w: w.asked("/assignment/accounts", region="us-east-1"),
    ),
    ("101 accounts a page", "sso model", INVALID, lambda w: w.asked("/assignment/accounts", max_result=101)),
    ("no account a page", "sso model", INVALID, lambda w: w.asked("/assignment/accounts", max_result=0)),
    (
        "a page that was never named",
        "sso model",
        INVALID,
        lambda w: w.asked("/assignment/accounts", next_token="2"),
    ),
    ("roles of no account", "sso model", INVALID, lambda w: w.asked("/assignment/roles")),
    (
        "roles of an account that is none",
        "sso model",
        INVALID,
        lambda w: w.asked("/assignment/roles", account_id="1"),
    ),
    (
        "no role",
        "sso model",
        INVALID,
        lambda w: w.asked("/federation/credentials", account_id="000000000000"),
    ),
    (
        "a role that is not assigned",
        "issue aws/aws-sam-cli#2129",
        "403 ForbiddenException",
        lambda w: w.asked("/federation/credentials", account_id="000000000000", role_name="Other"),
    ),
    # AWS sign-in.
    (
        "an unknown client of AWS",
        "signin model",
        "page",
        lambda w: w.signed_in_to_aws(client_id="arn:aws:signin:::devtools/other"),
    ),
    (
        "another redirect of AWS's",
        "what AWS CLI 2 sends",
        "page",
        lambda w: w.signed_in_to_aws(redirect_uri="http://127.0.0.1:1/x"),
    ),
    ("another scope than openid", "what AWS CLI 2 sends", "page", lambda w: w.signed_in_to_aws(scope="all")),
    ("no challenge for AWS", PKCE, "page", lambda w: w.signed_in_to_aws(code_challenge="short")),
    ("a client id that is none", "signin model", WRONG, lambda w: w.aws_token(w.aws_code(), clientId="x")),
    (
        "a grant that AWS does not have",
        "signin model",
        WRONG,
        lambda w: w.aws_token(w.aws_code(), grantType=DEVICE_GRANT),
    ),
    (
        "a verifier of 42 letters",
        "signin model",
        WRONG,
        lambda w: w.aws_token(w.aws_code(), codeVerifier="v" * 42),
    ),
    (
        "a used code of AWS's",
        "signin model",
        "401 AccessDeniedException AUTHCODE_EXPIRED",
        lambda w: w.twice(w.aws_token, w.aws_code()),
    ),
    (
        "an old code of AWS's",
        "signin model",
        "401 AccessDeniedException AUTHCODE_EXPIRED",
        lambda w: late(w, w.aws_code(), 61, w.aws_token),
    ),
    (
        "another redirect for AWS's code",
        f"{OAUTH}, 4.1.3",
        WRONG,
        lambda w: w.aws_token(w.aws_code(), redirectUri="http://127.0.0.1:1/oauth/callback"),
    ),
    ("no proof of the key", "RFC 9449", WRONG, lambda w: w.aws_token(w.aws_code(), proof="x.y.z")),
    (
        "a proof for another address",
        "RFC 9449",
        WRONG,
        lambda w: w.aws_token(
            w.aws_code(), proof=dpop.proof(w.key, "https://eu-central-1.signin.aws.amazon.com/", w.aws.now())
        ),
    ),
    (
        "an old proof",
        "RFC 9449",
        WRONG,
        lambda w: w.aws_token(
            w.aws_code(),
            proof=dpop.proof(
                w.key, "https://eu-central-1.signin.aws.amazon.com/v1/token", w.aws.now() - 3600
            ),
        ),
    ),
    (
        "another key",
        "RFC 9449",
        WRONG,
        lambda w: w.with_another_key(w.aws_refresh()),
    ),
    (
        "a renewal in another region",
        "issue aws/aws-cli#10613",
        WRONG,
        lambda w: w.aws_token(w.aws_refresh(), region="us-west-2"),
    ),
    (
        "a renewal without its token",
        "signin model",
        WRONG,
        lambda w: w.aws_token(w.aws_refresh(), refreshToken=None),
    ),
    (
        "a used renewal",
        "signin model",
        "401 AccessDeniedException TOKEN_EXPIRED",
        lambda w: w.twice(w.aws_token, w.aws_refresh()),
    ),
    (
        "a renewal after 12 hours",
        "IAM User Guide, aws login",
        "401 AccessDeniedException TOKEN_EXPIRED",
        lambda w: late(w, w.aws_refresh(), 12 * 3600 + 1, w.aws_token),
    ),
    (
        "sessions listed without a signature",
        "signin model",
        "403 AccessDeniedException ACCESS_DENIED",
        lambda w: w.signed("/list-sessions", {}, ""),
    ),
    (
        "sessions of an unknown state",
        "signin model",
        WRONG,
        lambda w: w.signed("/list-sessions", {"status": "OLD"}),
    ),
    ("101 sessions a page", "signin model", WRONG, lambda w: w.signed("/list-sessions", {"maxResults": 101})),
    (
        "sessions since a text",
        "signin model",
        WRONG,
        lambda w: w.signed("/list-sessions", {"issuedAfter": "now"}),
    ),
    (
        "six sessions to end",
        "signin model",
        WRONG,
        lambda w: w.signed("/batch-revoke-sessions", {"sessionArns": ["a"] * 6}),
    ),
    (
        "no session to end",
        "signin model",
        WRONG,
        lambda w: w.signed("/batch-revoke-sessions", {"sessionArns": []}),
    ),
    ("an operation that is none", "the models", "404", lambda w: w.signed("/v1/other", {})),
]


@pytest.mark.parametrize(
    ("expected", "request_for"), [row[2:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_aws_would_refuse(expected: str, request_for: Callable[[World], Answer]) -> None:
    assert error_of(request_for(World())) == expected


def test_aws_takes_what_is_right() -> None:
    """So that a refusal above is for the one change, and not for everything."""
    world = World()
    given = world.with_device()
    world.later(1)
    for device in world.aws.oidc.devices.values():
        world.aws.oidc.decide(device.user_code, allow=True)
    answers = [
        world.registered(),
        world.registered(DEVICE),
        world.device(),
        world.token(given),
        world.token(world.with_code()),
        world.token(world.with_refresh()),
        world.asked("/assignment/accounts", max_result=100),
        world.asked("/assignment/roles", account_id="000000000000"),
        world.asked("/federation/credentials", account_id="000000000000", role_name="Admin"),
        world.aws_token(world.aws_code()),
        world.aws_token(world.aws_refresh()),
        world.signed("/list-sessions", {"status": "ACTIVE", "maxResults": 100}),
        world.signed("/batch-revoke-sessions", {"sessionArns": ["a"]}),
    ]
    assert [answer.status for answer in answers] == [200] * len(answers), [answer.body for answer in answers]
    assert world.authorized(world.client()).status == world.signed_in_to_aws().status == 302


def test_the_portal_takes_so_many_calls_a_second() -> None:
    """IAM Identity Center User Guide, "Quotas"."""
    world = World()
    world.aws.portal_calls_a_second = 20
    token = world.aws.issue_token()
    answers = [world.asked("/assignment/accounts", token).status for _ in range(40)]
    assert answers[:20] == [200] * 20
    assert answers[-1] == 429
