"""The instance probe in Python: asks all questions at once and prints one line per answer.

It is sent as text after the engine's login source, so it keeps to Python 3.6 and the standard
library. It reads and changes nothing. Passwords stay in this process: an answer holds a
fingerprint, and all output is searched for them first.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

METADATA = (os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254").rstrip(
    "/"
) + "/latest/"
TOOLS = ("sh", "bash", "python3", "aws", "docker", "podman", "openssl", "curl", "psql", "nc")
LIMIT_S = 12
CONNECT_S = 3
HEALTH_S = 5
URL = re.compile(r"^(postgres|postgresql|mysql|mariadb)(\+[a-z0-9]+)?://", re.I)
HELD_URL = re.compile(r"^(jdbc:)?(postgres|mysql|mariadb)[a-z0-9+.-]*://", re.I)
DEFINITION = re.compile(r"^\s*(export\s+)?")
SEPARATORS = re.compile(r"[@:/?#\[\]%&,;=\\]+")
ONE_WORD = re.compile(r"^[\w./:+,=-]*$")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
OF_LOGINS = re.compile(r"postgres|mysql|mariadb|redis|mongodb|amqp|ssh|sftp", re.I)
HOST_AT_START = re.compile(r"\[?[\w.-]*\w")
PLAIN_HOST = re.compile(r"^([\w.-]*(:\d*)?|\[[\da-f:.%]*\](:\d*)?)$", re.I)
OF_RDS = re.compile(r"[\w.-]+\.rds\.amazonaws\.com\b")
BEFORE_HOST = re.compile(
    r"(\bhost|host ?name|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|UnknownHostException:?|lookup|getaddrinfo"
    r"|resolve|connect to|server at|port( number| value)?)[\s:=\\\"'`(]*$",
    re.I,
)
VARIABLES = {
    "host": ("PGHOST", "DB_HOST", "DATABASE_HOST", "POSTGRES_HOST", "RDS_HOSTNAME"),
    "port": ("PGPORT", "DB_PORT", "DATABASE_PORT", "POSTGRES_PORT", "RDS_PORT"),
    "user": ("PGUSER", "DB_USER", "DB_USERNAME", "DATABASE_USER", "POSTGRES_USER", "RDS_USERNAME"),
    "password": (
        "PGPASSWORD",
        "DB_PASSWORD",
        "DATABASE_PASSWORD",
        "POSTGRES_PASSWORD",
        "RDS_PASSWORD",
    ),
    "database": (
        "PGDATABASE",
        "DB_NAME",
        "DB_DATABASE",
        "DATABASE_NAME",
        "POSTGRES_DB",
        "RDS_DB_NAME",
    ),
    "sslmode": ("PGSSLMODE", "DB_SSLMODE", "DATABASE_SSLMODE", "DB_SSL_MODE"),
    "sslrootcert": ("PGSSLROOTCERT", "DB_SSLROOTCERT"),
}


class Probe:
    """One run: the request, the answers, and the secrets to keep out of them."""

    def __init__(self, request):
        self.request = request
        self.lines = []
        self.secrets = set()
        self.parts = set()
        self.values = {}
        self.reads_done = threading.Event()
        self.containers = []
        self.lock = threading.Lock()

    def emit(self, *fields):
        """Keep a line; it is printed when all answers are there."""
        with self.lock:
            self.lines.append([str(f) for f in fields])

    def secret(self, value):
        """Register a value that must not be printed, and return its fingerprint."""
        with self.lock:
            if len(value.strip()) >= 4:
                self.secrets.update(forms_of(value) | forms_of(value.strip()))
                for part in pieces_of(value.strip()):
                    self.parts.update(forms_of(part))
        return hashlib.sha256((self.request["key"] + value).encode("utf-8")).hexdigest()[:6]

    def hold_urls(self, environment):
        """Register the passwords of database URLs, even of malformed ones."""
        for value in environment.values():
            scheme = HELD_URL.match(value)
            if scheme and "@" in value:
                rest = value[scheme.end() :]
                location = rest.split("?")[0]
                login = (location if "@" in location else rest).rpartition("@")[0]
                password = login.partition(":")[2]
                self.secret(password)
                self.secret(urllib.parse.unquote(password))

    def clean(self, text):
        """A field without secrets, tabs and control characters."""
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, "<secret>")
        if not ONE_WORD.match(text):
            text = without_user_info(self.without_pieces(text))
        return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)

    def without_pieces(self, text):
        """A message without the pieces of secrets, which a client that misreads a URL takes for a host."""
        names = [value for purpose, value in self.values.items() if purpose != "password"]
        names += self.request["names"]
        shown = set(word for name in names for word in [name] + re.split(r"[\W_]+", name))
        for part in sorted(self.parts - shown, key=len, reverse=True):
            pattern = re.escape(part)
            if part.isalpha() or part.isdigit():
                pattern = r"(?:(?<![\w.-])|(?<=\\[nrt]))" + pattern + r"(?![\w-]|\.\w)"
            text = re.sub(pattern, "<secret>", text)
        return text

    def print_all(self):
        """Print every line and the end mark."""
        with self.lock:
            for line in self.lines:
                sys.stdout.write("\t".join(self.clean(f) for f in line) + "\n")
        sys.stdout.write("end\n")
        sys.stdout.flush()


def forms_of(value):
    """A value's forms in messages: plain, percent-encoded, in JSON."""
    quoted = urllib.parse.quote(value, safe="")
    lower = re.sub("%[0-9A-F]{2}", lambda m: m.group().lower(), quoted)
    return set([value, quoted, lower, json.dumps(value)[1:-1]])


def pieces_of(value):
    """The parts of a password between two separators, or between one and an end."""
    if len(value) > 128 or value.startswith("{"):
        return set()
    cuts = list(SEPARATORS.finditer(value))
    starts, ends = [0] + [c.end() for c in cuts], [c.start() for c in cuts] + [len(value)]
    found = set(value[start:end].strip() for start in starts for end in ends)
    return set(part for part in found if len(part) >= 4)


def without_user_info(text):
    """A message without the text before the `@` of URLs, and of hosts that are part of one."""
    return re.sub(r'(\\.|[^\s"\\])+', cut_user_info, text)


def cut_user_info(found):
    """The word without its user-info; e-mail addresses and ARNs stay as they are."""
    head, at, tail = found.group().rpartition("@")
    if not at or re.match(r"\W*(arn|mailto):", head, re.I) or not HOST_AT_START.match(tail):
        return found.group()
    scheme = SCHEME.search(head)
    if scheme:
        is_secret = is_user_info(scheme.group(), head[scheme.end() :])
    else:
        scheme = re.match(r"[\"'`(\[{<]*", head)
        before = found.string[max(0, found.start() - 40) : found.start()]
        is_secret = not tail.startswith("sha256:") and (
            re.search(r"[:?#%&\]\[]", head) or OF_RDS.match(tail) or BEFORE_HOST.search(before)
        )
    return head[: scheme.end()] + "<secret>" + at + tail if is_secret else found.group()


def is_user_info(scheme, info):
    """Whether the text between scheme and `@` may hold a secret; a user's name alone does not."""
    if OF_LOGINS.match(scheme):
        return not re.match(r"^[\w.-]+$", info)
    location = re.split("[/?#]", info)[0]
    return location == info or not PLAIN_HOST.match(location)


def ms_since(started):
    """Milliseconds with one digit."""
    return round(1000 * (time.time() - started), 1)


def ask_machine(probe):
    """Report this machine's tools and clock."""
    for tool in TOOLS:
        if shutil.which(tool):
            probe.emit("tool", tool)
    probe.emit("clock", int(time.time()))
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        probe.emit("ports", *f.read().split())
    with open("/etc/resolv.conf") as f:
        for line in f:
            if line.startswith("nameserver"):
                probe.emit("resolver", line.split()[1])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        if os.environ.get(name):
            probe.emit("other-credentials", "variable " + name)
    if os.path.exists(os.path.expanduser("~/.aws/credentials")):
        probe.emit("other-credentials", os.path.expanduser("~/.aws/credentials"))


def ask_name(probe, name):
    """Resolve a name as programs here do."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        probe.emit("name", name, ",".join(sorted(set(item[4][0] for item in found))), "")
    except socket.gaierror as error:
        words = {
            socket.EAI_NONAME: "the name does not exist",
            socket.EAI_AGAIN: "the resolver did not answer",
            getattr(socket, "EAI_NODATA", -5): "the name has no address",
        }
        probe.emit("name", name, "", words.get(error.errno, "error %s" % error.errno))


class Forbidden(Exception):
    """An address at which no RDS database can be: it is not connected to."""


def address_of(probe, host):
    """The address of a host to connect to."""
    address = socket.gethostbyname(host)
    number = ipaddress.ip_address(address)
    is_own = number.is_loopback and host in probe.request.get("unlisted", ())
    if is_own or number.is_link_local or number.is_unspecified or number.is_multicast:
        raise Forbidden("not tried: %s is no database's address" % address)
    return address


def ask_tcp(probe, host, port):
    """Connect, and report the outcome and the time."""
    started = time.time()
    try:
        address = address_of(probe, host)
    except OSError:
        probe.emit("tcp", host, "", port, "unresolved", 0, "")
        return
    except Forbidden as why:
        probe.emit("tcp", host, "", port, why, 0, "")
        return
    outcome, local = "connected", ""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_S)
    started = time.time()
    try:
        connection.connect((address, port))
        local = connection.getsockname()[0]
    except TimeoutError:
        outcome = "timeout"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError as error:
        outcome = os.strerror(error.errno) if error.errno else type(error).__name__
    finally:
        connection.close()
    probe.emit("tcp", host, address, port, outcome, ms_since(started), local)


def probe_exchange(probe, talk):
    """Hold one exchange; opskit chooses the bytes and judges the reply."""
    parts, version, chain, error = [], "", [], ""
    connection = None
    try:
        address = address_of(probe, talk["host"])
        connection = socket.create_connection((address, talk["port"]), CONNECT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for action, data, count in talk["steps"]:
            if action == "send":
                connection.sendall(base64.b64decode(data))
            elif action == "read":
                parts.append(connection.recv(count))
            elif parts and parts[-1] == base64.b64decode(data):
                connection, version, chain = start_tls(connection, talk["host"])
            else:
                break
    except TimeoutError:
        error = "timeout"
    except OSError as problem:
        error = os.strerror(problem.errno) if problem.errno else type(problem).__name__
    except Forbidden as why:
        error = why
    finally:
        if connection is not None:
            connection.close()
    probe.emit("talk", talk["name"], error, version, b64_list(parts), b64_list(chain))


def start_tls(connection, host):
    """TLS without verification: opskit judges the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    wrapped = context.wrap_socket(connection, server_hostname=host)
    return wrapped, wrapped.version(), certificates_of(wrapped)


def certificates_of(connection):
    """The server's chain where this Python can give it (3.10 and later), else its own certificate."""
    try:
        if hasattr(connection, "get_unverified_chain"):
            return [bytes(der) for der in connection.get_unverified_chain()]
        import _ssl

        return [
            c.public_bytes(_ssl.ENCODING_DER) for c in connection._sslobj.get_unverified_chain()
        ]
    except Exception:
        return [connection.getpeercert(True)]


def b64_list(parts):
    """Several byte strings as one field."""
    return ",".join(base64.b64encode(p).decode("ascii") for p in parts)


def metadata(path, token):
    """One answer of the instance metadata service."""
    request = urllib.request.Request(METADATA + path)
    if token:
        request.add_header("X-aws-ec2-metadata-token", token)
    return (
        urllib.request.build_opener(urllib.request.ProxyHandler({}))
        .open(request, timeout=1)
        .read()
        .decode()
    )


def container_variable(name):
    """A variable of the container: of this process, else of the container's first one."""
    if os.environ.get(name):
        return os.environ[name]
    try:
        with open("/proc/1/environ", "rb") as file:
            pairs = [
                one.decode("utf-8", "replace").partition("=") for one in file.read().split(b"\0")
            ]
    except OSError:
        return ""
    return next((value for key, _, value in pairs if key == name), "")


def container_credentials_url():
    """The URL of the task role's credentials on ECS; empty outside a task."""
    path = container_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    if path:
        return "http://169.254.170.2" + path
    return container_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")


def role_credentials():
    """The credentials of the instance's role, by IMDSv2; in an ECS task, of the task's role."""
    location = container_credentials_url()
    if location:
        request = urllib.request.Request(location)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return json.loads(direct.open(request, timeout=2).read().decode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(METADATA + "api/token", method="PUT")
    request.add_header("X-aws-ec2-metadata-token-ttl-seconds", "60")
    token = opener.open(request, timeout=1).read().decode()
    role = metadata("meta-data/iam/security-credentials/", token).split("\n")[0]
    return json.loads(metadata("meta-data/iam/security-credentials/" + role, token))


def aws_call(service, region, credentials, headers, body, path="/"):
    """One signed POST (Signature Version 4); the reply's text."""
    default = "https://%s.%s.amazonaws.com%s" % (
        service,
        region,
        ".cn" if region[:3] == "cn-" else "",
    )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_" + service.upper()) or os.environ.get(
        "AWS_ENDPOINT_URL"
    )
    url = urllib.parse.urlsplit(endpoint or default)
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    signed = dict(headers, host=url.netloc)
    signed["x-amz-date"] = now
    signed["x-amz-security-token"] = credentials["Token"]
    names = sorted(signed)
    canonical = "POST\n%s\n\n%s\n\n%s\n%s" % (
        path,
        "\n".join("%s:%s" % (n, signed[n]) for n in names),
        ";".join(names),
        hashlib.sha256(body).hexdigest(),
    )
    scope = "%s/%s/%s/aws4_request" % (now[:8], region, service)
    text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (
        now,
        scope,
        hashlib.sha256(canonical.encode()).hexdigest(),
    )
    key = ("AWS4" + credentials["SecretAccessKey"]).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    signed["Authorization"] = (
        "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
        % (
            credentials["AccessKeyId"],
            scope,
            ";".join(names),
            signature,
        )
    )
    request = urllib.request.Request(url.geturl().rstrip("/") + path, body, signed)
    return urllib.request.urlopen(request, timeout=5).read().decode("utf-8")


def ask_aws(probe):
    """The AWS identity of the instance, and its reads of the parameters."""
    try:
        credentials = role_credentials()
        credentials["Token"]
    except Exception as error:
        code = getattr(error, "code", "")
        probe.emit(
            "caller",
            "",
            "no credentials from the instance metadata (%s)" % (code or type(error).__name__),
        )
        for name in probe.request["parameters"].values():
            probe.emit("read", name, "", "NoCredentials", "there are no credentials of a role")
        probe.reads_done.set()
        return
    jobs = [threading.Thread(target=ask_caller, args=(probe, credentials), daemon=True)]
    for purpose, name in sorted(probe.request["parameters"].items()):
        jobs.append(
            threading.Thread(
                target=ask_parameter, args=(probe, purpose, name, credentials), daemon=True
            )
        )
    run_all(jobs, 7)
    probe.reads_done.set()


def ask_caller(probe, credentials):
    """The identity behind the credentials."""
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    try:
        reply = aws_call("sts", probe.request["region"], credentials, headers, body)
        probe.emit("caller", re.search("<Arn>(.*?)</Arn>", reply).group(1), "")
    except Exception as error:
        probe.emit("caller", "", "sts:GetCallerIdentity failed (%s)" % type(error).__name__)


def ask_parameter(probe, purpose, name, credentials):
    """Read one parameter with decryption, and report only its fingerprint."""
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AmazonSSM.GetParameter",
    }
    body = json.dumps({"Name": name, "WithDecryption": True}).encode()
    try:
        value = json.loads(aws_call("ssm", probe.request["region"], credentials, headers, body))[
            "Parameter"
        ]["Value"]
        if list(probe.request["parameters"].values()).count(name) > 1:
            value = json.loads(value)[purpose]
    except urllib.error.HTTPError as error:
        try:
            answer = json.loads(error.read().decode("utf-8"))
        except ValueError:
            answer = {}
        code = str(answer.get("__type", error.code)).split("#")[-1]
        probe.emit(
            "read", name, "", code, str(answer.get("message", answer.get("Message", "")))[:400]
        )
    except (KeyError, ValueError):
        probe.emit("read", name, "", "Malformed", "it holds no JSON with the key %s" % purpose)
    except Exception as error:
        probe.emit(
            "read", name, "", "Unreachable", "ssm did not answer (%s)" % type(error).__name__
        )
    else:
        if purpose != "password":
            probe.values[purpose] = value
            digest = hashlib.sha256((probe.request["key"] + value).encode("utf-8")).hexdigest()[:6]
            probe.emit("read", name, digest, "", "")
        else:
            probe.values[purpose] = value
            probe.emit("read", name, probe.secret(value), "", "")


def ask_containers(probe):
    """The containers of this machine, and the database settings of each.

    Returns:
        All of them, as the engine describes them.
    """
    engine = shutil.which("docker") or shutil.which("podman")
    if engine is None:
        probe.emit("cannot", "containers", "neither docker nor podman is on this machine")
        return []
    try:
        ids = output([engine, "ps", "-aq"]).split()
        described = json.loads(output([engine, "inspect"] + ids)) if ids else []
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        probe.emit(
            "cannot",
            "containers",
            "%s failed (%s)" % (os.path.basename(engine), type(error).__name__),
        )
        return []
    probe.emit("asked", "containers")
    for raw in described:
        name = raw["Name"].lstrip("/")
        wanted = probe.request["container"]
        if wanted and wanted != name:
            continue
        found = settings_of(probe, raw)
        if not (wanted or found):
            continue
        state, config = raw["State"], raw["Config"]
        labels = config.get("Labels") or {}
        probe.emit(
            "container",
            name,
            state.get("Status", ""),
            state.get("StartedAt", ""),
            raw.get("RestartCount", 0),
            (raw.get("HostConfig") or {}).get("NetworkMode", ""),
            labels.get("com.docker.compose.project.working_dir", ""),
            labels.get("com.docker.compose.service", ""),
            config.get("Image", ""),
            state.get("ExitCode", ""),
            state.get("FinishedAt", ""),
            ((raw.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name", ""),
            raw.get("Created", ""),
        )
        for setting in found:
            tell_setting(probe, name, *setting)
        probe.containers.append((name, dict((s[1], s[2]) for s in found)))
    return described


def tell_setting(probe, name, source, field, value, variable, path, defined, is_plain):
    """Emit one setting; a password as its fingerprint, here and in the file."""
    if field == "password":
        value, defined = probe.secret(value), defined and probe.secret(defined)
    word = "plain" if is_plain else ""
    probe.emit("setting", name, source, field, value, variable, path, defined, word)


def output(command):
    """A command's standard output; the wait is three seconds at most."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=3, check=True
    )
    return done.stdout.decode("utf-8", "replace")


def settings_of(probe, raw):
    """(source, field, value, variable, file, value there, is plain there) of a container.

    The process's values override the configuration; those only the process has were fetched at
    start.
    """
    configured = dict(pair.split("=", 1) for pair in raw["Config"].get("Env") or [] if "=" in pair)
    running = {}
    pid = raw["State"].get("Pid")
    if pid:
        try:
            with open("/proc/%d/environ" % pid, "rb") as f:
                text = f.read().decode("utf-8", "replace")
            running = dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)
        except OSError:
            pass
    directory = (raw["Config"].get("Labels") or {}).get(
        "com.docker.compose.project.working_dir", ""
    )
    found = {}
    for source, environment in (("config", configured), ("process", running)):
        probe.hold_urls(environment)
        for field, (value, variable) in database_settings(environment).items():
            if source == "process" and configured.get(variable) == environment.get(variable):
                continue
            found[field] = (source, field, value, variable) + defined_in(directory, variable, field)
    return sorted(found.values())


def database_settings(environment):
    """Field -> (value, variable): single variables, completed by a database URL."""
    found = {}
    for variable in sorted(environment):
        if not URL.match(environment[variable]):
            continue
        try:
            url = urllib.parse.urlsplit(environment[variable])
            query = urllib.parse.parse_qs(url.query)
            parts = {
                "host": url.hostname,
                "port": url.port and str(url.port),
                "user": url.username and urllib.parse.unquote(url.username),
                "password": url.password and urllib.parse.unquote(url.password),
                "database": url.path.lstrip("/"),
                "sslmode": (query.get("sslmode") or [""])[0],
                "sslrootcert": (query.get("sslrootcert") or [""])[0],
            }
        except ValueError:
            continue
        for field, value in parts.items():
            if value:
                found.setdefault(field, (value, variable))
    for field, names in VARIABLES.items():
        for name in names:
            if environment.get(name) and field not in found:
                found[field] = (environment[name], name)
    return found


def defined_in(directory, variable, field):
    """The compose project's `.env` if it defines the variable, the field's value in it, and whether
    the line is no more than `VARIABLE=value`.
    """
    path = os.path.join(directory, ".env")
    try:
        with open(path) as f:
            lines = list(f) if directory else []
    except (OSError, UnicodeDecodeError):
        lines = []
    found = [line for line in lines if DEFINITION.sub("", line).split("=")[0].strip() == variable]
    if not found or "=" not in found[-1]:
        return "", "", False
    text = found[-1].split("=", 1)[1].strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    value = database_settings({variable: text}).get(field, ("",))[0]
    return path, value, found[-1].rstrip("\n") == "%s=%s" % (variable, value)


class OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows redirects of HTTP only, and not to the instance metadata service."""

    def http_error_302(self, req, fp, code, msg, headers):
        refuse_other_urls(urllib.parse.urljoin(req.full_url, headers.get("location") or ""))
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def refuse_other_urls(url):
    """Files and other schemes are no health URLs, and neither is a link-local address."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Forbidden("not asked: no URL of http or https")
    try:
        address = ipaddress.ip_address(socket.gethostbyname(parts.hostname))
    except OSError:
        return
    if address.is_link_local:
        raise Forbidden("not asked: %s is a link-local address" % address)


def health_opener():
    """Opens URLs of HTTP and HTTPS only, past every proxy."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        OnlyHttp(),
    ):
        opener.add_handler(handler)
    return opener


def ask_health(probe, url):
    """The app's health answer."""
    started = time.time()
    try:
        refuse_other_urls(url)
        reply = health_opener().open(url, timeout=HEALTH_S)
        status, body = reply.getcode(), reply.read(2000)
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read(2000)
    except Forbidden as why:
        probe.emit("health", url, "", ms_since(started), why)
        return
    except Exception as error:
        reason = getattr(error, "reason", error)
        number = getattr(reason, "errno", None)
        probe.emit(
            "health",
            url,
            "",
            ms_since(started),
            os.strerror(number) if number else type(reason).__name__,
        )
        return
    probe.emit("health", url, status, ms_since(started), body.decode("utf-8", "replace"))


def ask_logins(probe):
    """Log in with the parameters' values, and with the container's where they differ."""
    aim = probe.request["login"]
    if not aim:
        return
    probe.reads_done.wait(7)
    values = dict(probe.values)
    if not all(values.get(p) for p in ("username", "password", "database")):
        probe.emit("cannot", "login", "user, password and database name could not be read there")
        return
    emit_login(
        probe,
        "parameters",
        aim["host"],
        aim["port"],
        values["username"],
        values["password"],
        values["database"],
        "verify-full",
        aim["ca_file"],
        aim["tls_name"],
    )


def ask_container_logins(probe):
    """Log in exactly as each container's app would."""
    for name, own in probe.containers:
        if all(own.get(f) for f in ("host", "user", "password", "database")):
            emit_login(
                probe,
                "container:" + name,
                own["host"],
                int(own.get("port") or 5432),
                own["user"],
                own["password"],
                own["database"],
                own.get("sslmode") or "prefer",
                own.get("sslrootcert", ""),
            )


def emit_login(probe, who, host, port, user, password, database, mode, ca_file, tls_name=""):
    """Emit one login's result; without a bundle nothing is verified."""
    try:
        address = address_of(probe, host)
    except OSError:
        probe.emit("login", who, "no", "", "could not translate host name", 0, "", mode)
        return
    except Forbidden as why:
        probe.emit("cannot", "login", why)
        return
    ca_file = ca_file if ca_file == "system" or os.path.exists(ca_file) else ""
    if mode.startswith("verify") and not ca_file:
        mode = "require"
    name = tls_name or host
    done = login(name, address, port, user, password, database, mode, ca_file, CONNECT_S)  # noqa: F821
    word = "yes" if done["ok"] else "no"
    probe.emit("login", who, word, done["sqlstate"], done["message"], done["ms"], done["tls"], mode)


def containers_then_logins(probe):
    """The containers first: their settings determine how their apps log in."""
    described = ask_containers(probe)
    serving = isolated(probe, "serving", tell_serving, described)  # noqa: F821
    serving.start()
    ask_container_logins(probe)
    serving.join()


def isolated(probe, what, function, *arguments):
    """A job whose failure ends only itself; only the error's kind is reported."""

    def job():
        try:
            function(probe, *arguments)
        except Exception as error:
            probe.emit("cannot", what, "%s" % type(error).__name__)

    return threading.Thread(target=job, daemon=True)


def run_all(jobs, limit_s):
    """Start all, and wait for them no longer than the limit."""
    end = time.time() + limit_s
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(max(0, end - time.time()))
    return all(not job.is_alive() for job in jobs)


def main(text):
    """Ask everything at once."""
    request = json.loads(text)
    probe = Probe(request)
    probe.emit("opskit-probe", 1, "python")
    jobs = [isolated(probe, "machine", ask_machine), isolated(probe, "aws", ask_aws)]
    jobs += [isolated(probe, "name " + n, ask_name, n) for n in request["names"]]
    jobs += [isolated(probe, "tcp", ask_tcp, h, p) for h, p in request["peers"]]
    jobs += [isolated(probe, "talk " + t["name"], probe_exchange, t) for t in request["talks"]]
    jobs += [
        isolated(probe, "containers", containers_then_logins),
        isolated(probe, "login", ask_logins),
    ]
    if request["health_url"]:
        jobs.append(isolated(probe, "health", ask_health, request["health_url"]))
    if not run_all(jobs, LIMIT_S):
        probe.emit("cannot", "everything", "the probe's own limit of %d s was reached" % LIMIT_S)
    probe.print_all()


if __name__ == "__main__":
    main(sys.argv[1])
    sys.stdout.flush()
    os._exit(0)
