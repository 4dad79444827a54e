# opskit instance probe. It reads and changes nothing, and prints one line per answer.
# Passwords stay on this machine: an answer holds the first digits of a keyed SHA-256 instead.
set +ax
umask 077
unset line value variable text rest login configured
export LC_ALL=C
t=$(printf '\t')
emit() { line=$1; shift; for field in "$@"; do line="$line$t$field"; done; printf '%s\n' "$line"; }
have() { command -v "$1" >/dev/null 2>&1; }
limited() { if have timeout; then timeout "$@"; else shift; "$@"; fi; }
one_line() { tr -s '\n\r\t' '   ' | cut -c 1-400; }
digest() { # the value is an argument of a builtin only, so no process list shows it
  if have sha256sum; then printf '%s%s' "$KEY" "$1" | sha256sum | cut -c 1-6
  elif have openssl; then printf '%s%s' "$KEY" "$1" | openssl dgst -sha256 | sed 's/.*= *//' | cut -c 1-6
  fi
}

if have python3 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
  python3 - <<'OPSKIT_PROGRAM' && exit 0
@PROGRAM@
OPSKIT_PROGRAM
fi

emit opskit-probe 1 sh
for tool in $TOOLS; do have "$tool" && emit tool "$tool"; done
have date && emit clock "$(date +%s)"
if [ -r /proc/sys/net/ipv4/ip_local_port_range ]; then
  read -r low high </proc/sys/net/ipv4/ip_local_port_range && emit ports "$low" "$high"
fi
while read -r word value rest; do [ "$word" = nameserver ] && emit resolver "$value"; done </etc/resolv.conf

for name in $CREDENTIAL_VARIABLES; do
  eval "[ -n \"\${$name:-}\" ]" && emit other-credentials "variable $name"
done
[ -e "${HOME:-}/.aws/credentials" ] && emit other-credentials "$HOME/.aws/credentials"

for name in $HOSTNAMES; do
  if have getent; then
    found=$(getent ahostsv4 "$name" 2>/dev/null | while read -r address kind rest; do
      [ "$kind" = STREAM ] && printf '%s,' "$address"; done)
    if [ -n "$found" ]; then emit name "$name" "${found%,}" ''
    else emit name "$name" '' 'the name was not resolved'; fi
  else emit unavailable "name $name" 'no getent on this machine'; fi
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

for peer in $TCP_TARGETS; do
  host=${peer%:*}; port=${peer##*:}
  if ! reachable "$host"; then
    emit unavailable "tcp $peer" "$address is no database's address"
    continue
  fi
  case $address in *[!0-9.]*) address_or_none= ;; *) address_or_none=$address ;; esac
  if have bash && have timeout; then
    message=$(timeout "$CONNECT_TIMEOUT_S" bash -c "exec 3<>/dev/tcp/$address/$port" 2>&1); status=$?
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
    emit tcp "$host" "$address_or_none" "$port" "$outcome" '' ''
  elif have nc; then
    if limited $((CONNECT_TIMEOUT_S + 1)) nc -z -w "$CONNECT_TIMEOUT_S" "$address" "$port" 2>/dev/null; then emit tcp "$host" "$address_or_none" "$port" connected '' ''
    else emit tcp "$host" "$address_or_none" "$port" 'not connected' '' ''; fi
  else emit unavailable "tcp $peer" 'neither bash with timeout nor nc nor python3 on this machine'; fi
done

# The engine's conversation, which prints the first reply in base64.
@CONVERSE@
printf '%s\n' "$EXCHANGES" | while read -r exchange peer argument; do
  [ -n "$argument" ] && reachable "${peer%:*}" || continue
  if reply=$(converse "$address" "${peer##*:}" "$argument"); then emit exchange "$exchange" '' '' "$reply" ''
  else emit unavailable "exchange $exchange" "$reply"; fi
done

if have aws; then
  arn=$(AWS_DEFAULT_REGION=$REGION limited 8 aws sts get-caller-identity --query Arn --output text 2>/dev/null)
  if [ -n "$arn" ]; then emit caller "$arn" ''; else emit caller '' 'sts:GetCallerIdentity failed'; fi
  read_aws() { AWS_DEFAULT_REGION=$REGION limited 8 aws $call "$option" "$name" --query "$path" --output text </dev/null; }
  printf '%s\n' "$READS" | while read -r name path option call; do
    [ -n "$call" ] || continue
    if value=$(read_aws 2>/dev/null; s=$?; printf x; exit $s); then
      value=${value%x}; value=${value%
}
      emit read "$name" "$(digest "$value")" '' ''
    else
      message=$(read_aws 2>&1 >/dev/null | one_line)
      code=${message#*\(}; code=${code%%\)*}
      case $message in *'nable to locate credentials'*) code=NoCredentials ;; esac
      emit read "$name" '' "$code" "${message#*operation: }"
    fi
    value=
  done
else
  emit caller '' 'neither python3 nor aws on this machine'
  emit unavailable reads 'neither python3 nor aws on this machine'
fi

# The settings of a container: each field from the first variable of the engine's table that has a value.
# `rank_host` and `value_host`, `variable_host` are the best so far for the field `host`, and so on.
keep() { # field rank value: of $variable
  eval "rank=\${rank_$1:-99}"
  if [ -n "$3" ] && [ "$2" -lt "$rank" ]; then eval "rank_$1=$2 value_$1=\$3 variable_$1=\$variable"; fi
}
decoded() { # a part of a URL without percent-encoding; it is an argument of builtins only
  rest=$1
  while case $rest in *%*) ;; *) false ;; esac; do
    printf %s "${rest%%\%*}"; rest=${rest#*%}
    case $rest in
      [0-9A-Fa-f][0-9A-Fa-f]*) printf %b "\\0$(printf %03o "0x${rest%"${rest#??}"}")"; rest=${rest#??} ;;
      *) printf %% ;;
    esac
  done
  printf %s "$rest"
}
from_url() { # $value, of $variable
  text=${value#*://}; text=${text%%#*}; query=
  case $text in *'?'*) query=${text#*\?} ;; esac
  text=${text%%\?*}; login=; place=${text##*@}
  case $text in *@*) login=${text%@*} ;; esac
  keep user 0 "$(decoded "${login%%:*}")"
  case $login in *:*) keep password 0 "$(decoded "${login#*:}")" ;; esac
  hostport=${place%%/*}
  case $hostport in \[*) ;; *) keep host 0 "${hostport%%:*}"
    case $hostport in *:*) keep port 0 "${hostport##*:}" ;; esac ;; esac
  case $place in */*) keep database 0 "${place#*/}" ;; esac
  for pair in $URL_PARAMETERS; do
    case "&$query" in *"&${pair#*=}="*) text="&$query"; text=${text#*"&${pair#*=}="}
      keep "${pair%%=*}" 0 "$(decoded "${text%%&*}")" ;; esac
  done
}
emit_settings() { # container source: passwords as fingerprints; what the process has from its configuration not again
  for field in $FIELDS; do
    eval "value=\${value_$field:-} variable=\${variable_$field:-} configured=\${configured_$field:-}"
    eval "rank_$field= value_$field= variable_$field= configured_$field=\"\$variable=\$value\""
    if [ -z "$value" ] || [ "$configured" = "$variable=$value" ]; then continue; fi
    case $field in password) value=$(digest "$value") ;; esac
    emit setting "$1" "$2" "$field" "$value" "$variable" ''
  done
}
settings() { # container; reads the NAME=VALUE lines of its configuration, `opskit-process`, those of its process
  source=config
  for field in $FIELDS; do unset "rank_$field" "value_$field" "variable_$field" "configured_$field"; done
  while IFS= read -r line; do
    if [ "$line" = opskit-process ]; then emit_settings "$1" config; source=process; continue; fi
    case $line in *=*) ;; *) continue ;; esac
    variable=${line%%=*}; value=${line#*=}
    case $value in
@URLS@
    esac
    case $variable in
@VARIABLES@
    esac
  done
  emit_settings "$1" $source
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
  emit asked containers
  for id in $(limited 4 $engine ps -aq 2>/dev/null); do
    name=$($engine inspect --format '{{.Name}}' "$id" 2>/dev/null); name=${name#/}
    [ -n "$health_port" ] && published "$id" && emit serves "$name" yes
    [ -n "$CONTAINER" ] && [ "$CONTAINER" != "$name" ] && continue
    pid=$($engine inspect --format '{{.State.Pid}}' "$id" 2>/dev/null)
    found=$({ $engine inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$id" 2>/dev/null
      echo opskit-process
      [ -r "/proc/$pid/environ" ] && have tr && tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null; } | settings "$name")
    [ -n "$CONTAINER$found" ] || continue
    ended=$($engine inspect --format '{{.Config.Image}}|{{.State.ExitCode}}|{{.State.FinishedAt}}|{{.HostConfig.RestartPolicy.Name}}|{{.Created}}' "$id" 2>/dev/null)
    image=${ended%%|*}; ended=${ended#*|}; code=${ended%%|*}; ended=${ended#*|}
    finished=${ended%%|*}; ended=${ended#*|}
    emit container "$name" "$($engine inspect --format '{{.State.Status}}' "$id" 2>/dev/null)" \
      "$($engine inspect --format '{{.State.StartedAt}}' "$id" 2>/dev/null)" \
      "$($engine inspect --format '{{.RestartCount}}' "$id" 2>/dev/null)" '' '' '' \
      "$image" "$code" "$finished" "${ended%%|*}" "${ended#*|}"
    [ -n "$found" ] && printf '%s\n' "$found"
  done
else emit unavailable containers 'neither docker nor podman on this machine'; fi

case $HEALTH_URL in
  '' | [Hh][Tt][Tt][Pp]://* | [Hh][Tt][Tt][Pp][Ss]://*) ;;
  *) emit health "$HEALTH_URL" '' '' 'not asked: no URL of http or https'; HEALTH_URL= ;;
esac
case $HEALTH_URL in
  *://169.254.* | *@169.254.*) emit health "$HEALTH_URL" '' '' 'not asked: a link-local address'; HEALTH_URL= ;;
esac
if [ -n "$HEALTH_URL" ]; then
  # The body is not printed: without python it cannot be searched for secrets.
  if have curl; then
    status=$(curl -s -o /dev/null -m 6 --noproxy '*' --globoff --proto '=http,https' -w '%{http_code}' -- "$HEALTH_URL" 2>/dev/null)
    [ "$status" = 000 ] && status=
    emit health "$HEALTH_URL" "$status" '' ''
  elif have wget; then
    if limited 6 wget -q -O /dev/null -- "$HEALTH_URL" 2>/dev/null; then emit health "$HEALTH_URL" 200 '' ''
    else emit health "$HEALTH_URL" '' '' 'wget could not fetch it'; fi
  else emit unavailable health 'neither python3 nor curl nor wget on this machine'; fi
fi
emit unavailable login 'python3 is needed for a login that shows no password'
echo end
exit 0
