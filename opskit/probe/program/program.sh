# opskit instance probe. It reads and changes nothing, and prints one line per answer.
# Passwords stay on this machine: an answer holds the first digits of a keyed SHA-256 instead.
set +x
umask 077
export LC_ALL=C
t=$(printf '\t')
say() { line=$1; shift; for field in "$@"; do line="$line$t$field"; done; printf '%s\n' "$line"; }
have() { command -v "$1" >/dev/null 2>&1; }
limited() { if have timeout; then timeout "$@"; else shift; "$@"; fi; }
one_line() { tr -s '\n\r\t' '   ' | cut -c 1-400; }
digest() { # the value is an argument of a builtin only, so no process list shows it
  if have sha256sum; then printf '%s%s' "$KEY" "$1" | sha256sum | cut -c 1-6
  elif have openssl; then printf '%s%s' "$KEY" "$1" | openssl dgst -sha256 | sed 's/.*= *//' | cut -c 1-6
  fi
}

if have python3 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
  python3 - "$REQUEST" <<'OPSKIT_PROGRAM' && exit 0
@PROGRAM@
OPSKIT_PROGRAM
fi

say opskit-probe 1 sh
for tool in sh bash python3 aws docker podman openssl curl psql nc; do have $tool && say tool $tool; done
have date && say clock "$(date +%s)"
if [ -r /proc/sys/net/ipv4/ip_local_port_range ]; then
  read -r low high </proc/sys/net/ipv4/ip_local_port_range && say ports "$low" "$high"
fi
while read -r word value rest; do [ "$word" = nameserver ] && say resolver "$value"; done </etc/resolv.conf

for name in $NAMES; do
  if have getent; then
    found=$(getent ahostsv4 "$name" 2>/dev/null | while read -r address kind rest; do
      [ "$kind" = STREAM ] && printf '%s,' "$address"; done)
    if [ -n "$found" ]; then say name "$name" "${found%,}" ''
    else say name "$name" '' 'the name was not resolved'; fi
  else say cannot "name $name" 'no getent on this machine'; fi
done

# Connects to no link-local address, and to this machine only where RDS names the host.
reachable() { # sets address
  address=$1
  if have getent; then
    address=$(getent ahostsv4 "$1" 2>/dev/null | while read -r found rest; do printf '%s' "$found"; break; done)
    [ -n "$address" ] || address=$1
  fi
  case $address in
    169.254.* | 0.* | 22[4-9].* | 23[0-9].* | fe80:* | fd00:ec2::254) return 1 ;;
    127.* | localhost | ::1) case " $UNLISTED " in *" $1 "*) return 1 ;; esac ;;
  esac
}

for peer in $PEERS; do
  host=${peer%:*}; port=${peer##*:}
  if ! reachable "$host"; then
    say tcp "$host" '' "$port" "not tried: $address is no database's address" '' ''
    continue
  fi
  if have bash && have timeout; then
    message=$(timeout 3 bash -c "exec 3<>/dev/tcp/$address/$port" 2>&1); status=$?
    outcome=connected
    if [ $status -eq 124 ]; then outcome=timeout
    elif [ $status -ne 0 ]; then
      case $message in
        *refused*) outcome=refused ;;
        *'not known'* | *'resolution'* | *'No address'*) outcome=unresolved ;;
        *'timed out'*) outcome=timeout ;;
        *) outcome='not connected' ;;
      esac
    fi
    say tcp "$host" '' "$port" "$outcome" '' ''
  elif have nc; then
    if limited 4 nc -z -w 3 "$address" "$port" 2>/dev/null; then say tcp "$host" '' "$port" connected '' ''
    else say tcp "$host" '' "$port" 'not connected' '' ''; fi
  else say cannot "tcp $peer" 'neither bash with timeout nor nc nor python3 on this machine'; fi
done

if have bash && have timeout && have base64 && have dd; then
  # Without python: only the first message of each exchange, no TLS.
  printf '%s\n' "$TALKS" | while read -r talk peer bytes; do
    [ -n "$bytes" ] && reachable "${peer%:*}" || continue
    heard=$(timeout 4 bash -c "exec 3<>/dev/tcp/$address/${peer##*:} && printf '$bytes' >&3 &&
      dd bs=2048 count=1 <&3 2>/dev/null" 2>/dev/null | base64 | tr -d '\n')
    say talk "$talk" '' '' "$heard" ''
  done
else say cannot talk 'no bash, timeout, dd and base64 on this machine'; fi

if have aws; then
  arn=$(AWS_DEFAULT_REGION=$REGION limited 8 aws sts get-caller-identity --query Arn --output text 2>/dev/null)
  if [ -n "$arn" ]; then say caller "$arn" ''; else say caller '' 'sts:GetCallerIdentity failed'; fi
  for name in $PARAMETERS; do
    if value=$(AWS_DEFAULT_REGION=$REGION limited 8 aws ssm get-parameter --name "$name" \
        --with-decryption --query Parameter.Value --output text 2>/dev/null; s=$?; printf x; exit $s); then
      value=${value%x}; value=${value%
}
      say read "$name" "$(digest "$value")" '' ''
    else
      message=$(AWS_DEFAULT_REGION=$REGION limited 8 aws ssm get-parameter --name "$name" \
        --with-decryption --query Parameter.Version --output text 2>&1 >/dev/null | one_line)
      code=${message#*\(}; code=${code%%\)*}
      case $message in *'nable to locate credentials'*) code=NoCredentials ;; esac
      say read "$name" '' "$code" "${message#*operation: }"
    fi
    value=
  done
else
  say caller '' 'neither python3 nor aws on this machine'
  say cannot parameters 'neither python3 nor aws on this machine'
fi

setting() { # container source field value variable: passwords as fingerprints
  case $3 in password) say setting "$1" "$2" password "$(digest "$4")" "$5" '' ;;
    *) say setting "$1" "$2" "$3" "$4" "$5" '' ;; esac
}
settings() { # container source; reads NAME=VALUE lines
  while IFS='=' read -r variable value; do
    case $variable in
      PGHOST | DB_HOST | DATABASE_HOST | POSTGRES_HOST) setting "$1" "$2" host "$value" "$variable" ;;
      PGPORT | DB_PORT | DATABASE_PORT | POSTGRES_PORT) setting "$1" "$2" port "$value" "$variable" ;;
      PGUSER | DB_USER | DB_USERNAME | POSTGRES_USER) setting "$1" "$2" user "$value" "$variable" ;;
      PGPASSWORD | DB_PASSWORD | POSTGRES_PASSWORD) setting "$1" "$2" password "$value" "$variable" ;;
      PGDATABASE | DB_NAME | POSTGRES_DB) setting "$1" "$2" database "$value" "$variable" ;;
      PGSSLMODE | DB_SSLMODE) setting "$1" "$2" sslmode "$value" "$variable" ;;
      DATABASE_URL | POSTGRES_URL | DB_URL)
        rest=${value#*://}
        case $value in *'?'*) query=${value#*\?} ;; *) query= ;; esac
        rest=${rest%%\?*}; login=${rest%@*}; place=${rest##*@}
        case $rest in *@*) ;; *) login= ;; esac
        user=${login%%:*}; word=${login#*:}; hostport=${place%%/*}
        [ -n "$user" ] && setting "$1" "$2" user "$user" "$variable"
        [ "$word" != "$login" ] && setting "$1" "$2" password "$word" "$variable"
        [ -n "$hostport" ] && setting "$1" "$2" host "${hostport%%:*}" "$variable"
        case $hostport in *:*) setting "$1" "$2" port "${hostport##*:}" "$variable" ;; esac
        case $place in */*) setting "$1" "$2" database "${place#*/}" "$variable" ;; esac
        case $query in *sslmode=*) mode=${query##*sslmode=}; setting "$1" "$2" sslmode "${mode%%&*}" "$variable" ;; esac
        word= ; login= ; rest= ;;
    esac
  done
}
# Without python only published ports are seen, no listeners on the host itself.
published() { case " $($engine port "$1" 2>/dev/null | tr '\n' ' ')" in *":$health_port "*) return 0 ;; esac; return 1; }
health_port=
case $HEALTH_URL in
  http://127.* | http://localhost[:/]*) health_port=${HEALTH_URL#http://}; health_port=${health_port%%/*}
    case $health_port in *:*) health_port=${health_port##*:} ;; *) health_port=80 ;; esac ;;
esac
engine=
if have docker; then engine=docker; elif have podman; then engine=podman; fi
if [ -n "$engine" ]; then
  say asked containers
  for id in $(limited 4 $engine ps -aq 2>/dev/null); do
    name=$($engine inspect --format '{{.Name}}' "$id" 2>/dev/null); name=${name#/}
    [ -n "$health_port" ] && published "$id" && say serves "$name" yes
    [ -n "$CONTAINER" ] && [ "$CONTAINER" != "$name" ] && continue
    pid=$($engine inspect --format '{{.State.Pid}}' "$id" 2>/dev/null)
    found=$($engine inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$id" 2>/dev/null | settings "$name" config
      [ -r "/proc/$pid/environ" ] && have tr && tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | settings "$name" process)
    [ -n "$CONTAINER$found" ] || continue
    ended=$($engine inspect --format '{{.Config.Image}}|{{.State.ExitCode}}|{{.State.FinishedAt}}|{{.HostConfig.RestartPolicy.Name}}|{{.Created}}' "$id" 2>/dev/null)
    image=${ended%%|*}; ended=${ended#*|}; code=${ended%%|*}; ended=${ended#*|}
    finished=${ended%%|*}; ended=${ended#*|}
    say container "$name" "$($engine inspect --format '{{.State.Status}}' "$id" 2>/dev/null)" \
      "$($engine inspect --format '{{.State.StartedAt}}' "$id" 2>/dev/null)" \
      "$($engine inspect --format '{{.RestartCount}}' "$id" 2>/dev/null)" '' '' '' \
      "$image" "$code" "$finished" "${ended%%|*}" "${ended#*|}"
    [ -n "$found" ] && printf '%s\n' "$found"
  done
else say cannot containers 'neither docker nor podman on this machine'; fi

case $HEALTH_URL in
  '' | [Hh][Tt][Tt][Pp]://* | [Hh][Tt][Tt][Pp][Ss]://*) ;;
  *) say health "$HEALTH_URL" '' '' 'not asked: no URL of http or https'; HEALTH_URL= ;;
esac
case $HEALTH_URL in
  *://169.254.* | *@169.254.*) say health "$HEALTH_URL" '' '' 'not asked: a link-local address'; HEALTH_URL= ;;
esac
if [ -n "$HEALTH_URL" ]; then
  # The body is not printed: without python it cannot be searched for secrets.
  if have curl; then
    status=$(curl -s -o /dev/null -m 6 --noproxy '*' --globoff --proto '=http,https' -w '%{http_code}' -- "$HEALTH_URL" 2>/dev/null)
    [ "$status" = 000 ] && status=
    say health "$HEALTH_URL" "$status" '' ''
  elif have wget; then
    if limited 6 wget -q -O /dev/null -- "$HEALTH_URL" 2>/dev/null; then say health "$HEALTH_URL" 200 '' ''
    else say health "$HEALTH_URL" '' '' 'wget could not fetch it'; fi
  else say cannot health 'neither python3 nor curl nor wget on this machine'; fi
fi
say cannot login 'python3 is needed for a login that shows no password'
echo end
exit 0
