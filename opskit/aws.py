"""The only module that creates boto3 clients: credentials, limits, retries, and a count of calls.

It returns plain data or raises `errors.AwsError` (the call failed) or `errors.TargetError` (no call can
succeed: no credentials, no Region). Requests and replies are never logged: they hold parameter values.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from opskit.config import Target, aws_region
from opskit.errors import THROTTLING_CODES, TIMEOUT, UNREACHABLE, AwsError, TargetError, UsageError
from opskit.progress import Progress, Silent
from opskit.redaction import register_secret

if TYPE_CHECKING:
    import boto3

CONNECT_TIMEOUT_S = 5
"""A TCP connect to a regional endpoint takes one round trip; 5 s covers a lost packet and its repeat."""
READ_TIMEOUT_S = 20
"""The slowest describe call of a large account stays below; the whole run has its own limit."""
MAX_ATTEMPTS = 5
"""With botocore's growing, jittered waits, five attempts take about 8 s during throttling."""

log = logging.getLogger("opskit.aws")

CREDENTIAL_CODES = {
    "ExpiredToken": "expired",
    "ExpiredTokenException": "expired",
    "RequestExpired": "expired",
    "InvalidClientTokenId": "not known to AWS",
    "UnrecognizedClientException": "not known to AWS",
    "AuthFailure": "not accepted by AWS (an unknown key, or a wrong secret)",
    "SignatureDoesNotMatch": "refused (wrong secret key, or this clock is wrong)",
    "InvalidSignatureException": "refused (wrong secret key, or this clock is wrong)",
}
CLOCK_CODE = "SignatureExpired"
"""opskit's own code for a request that was refused for its age: it was delayed, or this clock is wrong."""
SECRET_ARGUMENTS = ("Value", "MasterUserPassword")
"""Arguments that a service may repeat in its error, such as a value that violates a pattern."""
SDK_LOGGERS = ("boto3", "botocore", "urllib3")
IAM_PREFIX = {"elbv2": "elasticloadbalancing"}
"""The services whose IAM prefix differs from the client's name."""


class Aws:
    """Clients of one Region and one identity, shared by all readers and their threads."""

    def __init__(self, target: Target, progress: Progress | None = None) -> None:
        self._target = target
        self._progress = progress or Silent()
        self._session: boto3.Session | None = None
        self._clients: dict[str, Client] = {}
        # Creating a client changes the session, which is not thread-safe.
        self._lock = threading.Lock()
        self._calls = 0
        self._in_thread = threading.local()

    @property
    def calls(self) -> int:
        """The number of calls so far, without retries."""
        return self._calls

    @property
    def calls_in_thread(self) -> int:
        """The number of calls that the current thread has made, one after the other."""
        return getattr(self._in_thread, "count", 0)

    @property
    def region(self) -> str:
        """The Region of the calls."""
        return str(self._make_session().region_name)

    @property
    def profile(self) -> str:
        """The named profile; empty where the environment decides."""
        return self._target.profile or ""

    def endpoint(self, service: str) -> str:
        """The endpoint URL of a service."""
        self.client(service)
        return str(self._clients[service].endpoint)

    def client(self, service: str) -> Client | MessageGateway:
        """The client of a service, created once."""
        if service == "ssmmessages":
            return MessageGateway(self)
        with self._lock:
            if service not in self._clients:
                self._clients[service] = Client(self, service, self._make_client(service))
            return self._clients[service]

    def write_client(self, service: str, before_send: Callable[[], None]) -> Client:
        """Return a client for calls that change something: each request is sent at most once.

        A retry inside the SDK could report a success as an error: the first attempt is applied, and the
        second one fails because of it.

        Args:
            before_send: called at every signing, the last moment before a request is sent; an exception
                prevents the request.
        """
        client = self._make_client(service, most_attempts=1)

        def before_sign(**_: Any) -> None:
            # Before `before_send`, whose permission expires: fetching new credentials may take longer.
            credentials = self._make_session().get_credentials()
            if credentials is not None:
                credentials.get_frozen_credentials()
            before_send()

        client.meta.events.register(f"before-sign.{service}", before_sign)
        return Client(self, service, client, is_write=True)

    def sign(self, url: str, service: str) -> dict[str, str]:
        """The headers that sign a GET of a URL with the current credentials (Signature Version 4)."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            with self._lock:
                credentials = self._make_session().get_credentials()
            # Fetches new credentials where they have expired, which may fail as any call may.
            frozen = credentials and credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise translate("sts:AssumeRole", error) from None
        if frozen is None:
            raise no_credentials_error()
        request = AWSRequest("GET", url)
        register_secret(frozen.secret_key)
        register_secret(frozen.token or "")
        SigV4Auth(frozen, service, self.region).add_auth(request)
        signed = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")
        return {name: request.headers[name] for name in signed if name in request.headers}

    def count(self) -> None:
        """Count one call of the current thread."""
        with self._lock:
            self._calls += 1
        self._in_thread.count = self.calls_in_thread + 1

    def _make_session(self) -> boto3.Session:
        if self._session is None:
            # At DEBUG these loggers write whole requests and replies, with the parameters' values; their
            # children have no level of their own.
            for name in SDK_LOGGERS:
                logging.getLogger(name).setLevel(logging.CRITICAL)
            import boto3
            from botocore.exceptions import BotoCoreError, ProfileNotFound

            try:
                session = boto3.Session(
                    profile_name=self._target.profile, region_name=aws_region(self._target)
                )
            except ProfileNotFound as error:
                profiles = ", ".join(boto3.Session().available_profiles) or "none"
                raise UsageError(f"{error}", f"profiles there: {profiles}") from None
            except BotoCoreError as error:
                raise TargetError(f"the AWS configuration cannot be used: {error}") from None
            if not session.region_name:
                raise TargetError(
                    "no AWS Region: neither --region nor AWS_REGION nor the profile names one",
                    "opskit ... --region us-east-1",
                )
            self._session = session
        return self._session

    def _make_client(self, service: str, most_attempts: int = MAX_ATTEMPTS) -> Any:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        session = self._make_session()
        try:
            if session.get_credentials() is None:
                raise no_credentials_error()
            client = session.client(
                service,
                config=Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    retries={"mode": "standard", "total_max_attempts": most_attempts},
                    user_agent_extra="opskit",
                    max_pool_connections=16,
                ),
            )
        except BotoCoreError as error:
            raise unusable_credentials_error(error) from None
        client.meta.events.register(f"needs-retry.{service}", self._note_retry)
        return client

    def _note_retry(self, attempts: int, operation: Any, response: Any, **_: Any) -> None:
        """Report throttling as progress, from the second failed attempt on."""
        if attempts < 2 or response is None:
            return
        code = response[1].get("Error", {}).get("Code", "")
        if code in THROTTLING_CODES:
            self._progress.note(
                f"AWS throttles {operation.name} ({code}); waiting, attempt {attempts}"
            )


class MessageGateway:
    """Signs the upgrades of Session Manager's data channels, and names the caller."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def caller(self) -> tuple[str, str, str]:
        """Region, profile (empty where none was named) and the endpoint of Systems Manager."""
        return self._aws.region, self._aws.profile, self._aws.endpoint("ssm")

    def upgrade_headers(self, url: str) -> dict[str, str]:
        """The headers for one upgrade; none for a URL that is already signed.

        The URL may hold characters that botocore signs unescaped and the service escaped. So a copy with an
        escaped and sorted query is signed; the connection uses the URL unchanged.
        """
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if any(name.startswith("X-Amz-") for name, _ in query):
            return {}
        strict = "&".join(
            f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query)
        )
        scheme = "https" if parts.scheme == "wss" else "http"
        copy = urlunsplit((scheme, parts.netloc, parts.path, strict, ""))
        return self._aws.sign(copy, "ssmmessages")


class Client:
    """A boto3 client that counts its calls and raises opskit's errors."""

    def __init__(self, aws: Aws, service: str, client: Any, *, is_write: bool = False) -> None:
        self._is_write = is_write
        self._aws = aws
        self._service = service
        self._client = client

    @property
    def endpoint(self) -> str:
        """The client's endpoint URL."""
        return str(self._client.meta.endpoint_url)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        method = getattr(self._client, operation)
        permission = permission_of(
            self._service, self._client.meta.method_to_api_mapping[operation]
        )

        def call(**arguments: Any) -> Any:
            self._aws.count()
            started = time.monotonic()
            try:
                return method(**arguments)
            except Exception as error:
                translated = translate(permission, error, is_write=self._is_write)
                if isinstance(translated, AwsError):
                    translated = translated.without(
                        *(str(arguments.get(name, "")) for name in SECRET_ARGUMENTS)
                    )
                raise translated from None
            finally:
                log.debug("%s %.0f ms", permission, 1000 * (time.monotonic() - started))

        return call


def permission_of(service: str, operation: str) -> str:
    """The IAM action of an operation, such as `rds:DescribeDBInstances`."""
    return f"{IAM_PREFIX.get(service, service)}:{operation}"


def translate(permission: str, error: Exception, *, is_write: bool = False) -> Exception:
    """Botocore's error as one of opskit's.

    A read that is refused for its age has a wrong clock, which no retry fixes; a write may only have been
    delayed. The message of an AWS error names principals, actions and resources; where a validation error
    repeats the rejected value, `Client` removes it.
    """
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        answer = error.response.get("Error", {})
        code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
        if "Signature expired" in message or "Signature not yet current" in message:
            return (
                AwsError(permission, CLOCK_CODE, message) if is_write else clock_skew_error(message)
            )
        if code in CREDENTIAL_CODES:
            return TargetError(
                f"your AWS credentials are {CREDENTIAL_CODES[code]} ({code}, answering {permission})",
                "aws sts get-caller-identity   shows who you are; sign in again, for example: aws sso login",
            )
        return AwsError(permission, code, message)
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return no_credentials_error()
    if isinstance(error, (exceptions.CredentialRetrievalError, exceptions.SSOError)):
        return unusable_credentials_error(error)
    if isinstance(error, (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError)):
        return AwsError(permission, TIMEOUT, "AWS did not answer in time")
    if isinstance(error, exceptions.BotoCoreError):
        return AwsError(permission, UNREACHABLE, type(error).__name__)
    return error


def region_names() -> tuple[str, ...]:
    """The Regions of every partition that this version of the AWS SDK knows; AWS may have newer ones."""
    from botocore.session import Session

    session = Session()
    partitions = session.get_available_partitions()
    return tuple(
        region
        for partition in partitions
        for region in session.get_available_regions("ec2", partition_name=partition)
    )


def clock_skew_error(message: str) -> TargetError:
    """The error for a request that AWS refused because its time is minutes off."""
    return TargetError(
        f"AWS refuses your requests for their time, so this machine's clock is wrong ({message[:120]})",
        "date -u; timedatectl   show the time and whether it is kept; nothing can be asked until it is right",
    )


def no_credentials_error() -> TargetError:
    """The error for missing credentials."""
    return TargetError(
        "no AWS credentials: neither the environment nor a profile nor a role gives any",
        "aws configure sso   or set AWS_PROFILE; aws sts get-caller-identity   shows who you are",
    )


def unusable_credentials_error(error: Exception) -> TargetError:
    """The error for credentials that cannot be loaded."""
    return TargetError(
        f"your AWS credentials cannot be used ({type(error).__name__})",
        "aws sts get-caller-identity   shows who you are; sign in again, for example: aws sso login",
    )
