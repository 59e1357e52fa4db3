# shellcheck shell=bash
# Starts and removes the hosts of a lab: podman containers that boot systemd, on a network of their own.
# A lab has a name. In the one called `lab` the containers are gw1…, client and mailstore; in any other
# the name goes in front (demo-gw1), so that several labs can stand side by side.

SSH_KEY=$CACHE/ssh/id_ed25519
WATCHERS=1024 # inotify instances; a host takes five, and the kernel gives root 128
SOURCES=8 # the client's further source addresses, .201 to .208 in each family

container_name() { # LAB HOST
  if [[ $1 == lab ]]; then echo "$2"; else echo "$1-$2"; fi
}

network_name() { echo "sender-filter-$1"; }

podman() { command podman --log-level=error "$@"; }

create_network() { # LAB
  podman network exists "$(network_name "$1")" || podman network create --ipv6 "$(network_name "$1")" >/dev/null
}

# Without CAP_SYS_RESOURCE a container may not raise the limits that systemd wants to set.
limits() {
  local effective
  effective=$(awk '/^CapEff/ {print $2}' /proc/self/status)
  if (((16#$effective >> 24 & 1) == 0)); then
    echo --pids-limit=-1 --ulimit=nofile=1024:20000 --ulimit=nproc=30000:30000
  fi
}

# Without enough of them units of the hosts fail with "Too many open files". It lasts until the next boot.
ensure_watchers() {
  local limit=/proc/sys/fs/inotify/max_user_instances
  [[ $(<"$limit") -lt $WATCHERS ]] || return 0
  { echo "$WATCHERS" >"$limit"; } 2>/dev/null || echo "cannot raise $limit: there is room for two dozen hosts" >&2
}

start_container() { # NAME HOSTNAME IMAGE NETWORK [OPTION…]
  local name=$1 hostname=$2 image=$3 network=$4
  shift 4
  # shellcheck disable=SC2046  # limits prints words
  # Nobody answers for the lab's addresses: without the options each look-up of a client takes five seconds or more.
  podman run --detach --name "$name" --hostname "$hostname" --systemd=always --privileged $(limits) \
    --network "$network" --add-host localhost:::1 --dns-option timeout:1 --dns-option attempts:1 \
    "$@" "$image" /sbin/init >/dev/null
}

# The last part of a host's addresses. They are its own for good: podman would give a host that is
# started again another one, which may have been somebody else's.
host_number() { # HOST
  case $1 in
    client) echo 2 ;;
    mailstore) echo 3 ;;
    gw*) echo $((10 + ${1#gw})) ;;
  esac
}

start_host() { # LAB ROLE HOST IMAGE
  local number
  number=$(host_number "$3")
  ensure_ssh_key
  start_container "$(container_name "$1" "$3")" "$3.example.test" "$4" "$(network_name "$1")" \
    --ip "$(network_prefix "$1" 4)$number" --ip6 "$(network_prefix "$1" 6)$number" \
    --network-alias "$3" --label "sender-filter-lab=$1" --label "sender-filter-role=$2" \
    --label "sender-filter-host=$3" --volume "$SSH_KEY.pub:/root/.ssh/authorized_keys:ro"
}

ensure_ssh_key() {
  [[ -e $SSH_KEY ]] && return
  mkdir -p "$(dirname "$SSH_KEY")"
  ssh-keygen -q -t ed25519 -N '' -C sender-filter-lab -f "$SSH_KEY"
}

wait_for_host() { # LAB HOST
  local name _ state=
  name=$(container_name "$1" "$2")
  for _ in {1..150}; do
    state=$(podman exec "$name" systemctl is-system-running 2>/dev/null) || true
    [[ $state != running && $state != degraded ]] || break
    sleep 0.2
  done
  [[ $state == running ]] || {
    podman exec "$name" systemctl --no-pager --failed >&2 || true
    die "$name is '$state' 30 s after its start, not 'running'"
  }
}

# The address of a podman network in one family, without its last part: 10.89.0. or fd00:1:2:3::
network_prefix() { # LAB FAMILY(4|6)
  podman network inspect "$(network_name "$1")" --format '{{range .Subnets}}{{.Subnet}}{{"\n"}}{{end}}' |
    if [[ $2 == 4 ]]; then sed -n 's/\.0\/24$/./p'; else sed -n 's/::\/64$/::/p'; fi
}

add_client_sources() { # LAB
  local prefix4 prefix6 n commands=
  prefix4=$(network_prefix "$1" 4)
  prefix6=$(network_prefix "$1" 6)
  for ((n = 1; n <= SOURCES; n++)); do
    commands+="ip address replace ${prefix4}20$n/24 dev eth0; ip address replace ${prefix6}20$n/64 dev eth0 nodad; "
  done
  podman exec "$(container_name "$1" client)" sh -ec "$commands"
}

lab_containers() { # LAB
  podman ps --all --filter "label=sender-filter-lab=$1" --format '{{.Names}}'
}

# Does not list them first: podman cannot look at a host whose namespace is gone, but can remove it.
remove_lab() { # LAB
  local attempt
  # crun gives up on a host that ends while it is being removed.
  for attempt in 1 2 3; do
    podman rm --force --time 0 --volumes --filter "label=sender-filter-lab=$1" >/dev/null && break
    [[ $attempt -lt 3 ]] || return 1
    sleep 1
  done
  podman network rm --force "$(network_name "$1")" >/dev/null 2>&1 || true
}
