# shellcheck shell=bash
# The lab's images, built once and kept:
#   bare     Debian with systemd, SSH and Python; the packages a gateway needs lie downloaded in it
#   peer     bare + the mail store's Postfix and the client's tools
#   gateway  bare + playbooks/install_gateway.yml: a gateway in the topology `direct`

IMAGES=localhost/sender-filter-lab
BARE_PACKAGES=systemd,systemd-sysv,dbus,python3,python3-apt,iproute2,ca-certificates,procps,openssh-server
# Downloaded into the bare image, so that installing a gateway in the lab costs no network.
GATEWAY_DOWNLOADS=(postfix ssl-cert amavisd-new spamassassin clamav-daemon)
PEER_DOWNLOADS=(postfix swaks python3 rbldnsd redis-server)

# What goes into an image names it: a change makes a new one.
digest() { # FILE_OR_FOLDER…
  (cd "$ROOT" && find "$@" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum) | sha256sum | cut -c1-12
}

bare_image() { echo "$IMAGES/bare:$1-$(digest scripts/lib/images.sh)"; }
peer_image() { echo "$IMAGES/peer:$1-$(digest scripts/lib/images.sh scripts/lib/peer.sh)"; }
gateway_image() {
  echo "$IMAGES/gateway:$1-$(digest scripts/lib/images.sh roles/postfix_gateway roles/scan_service \
    playbooks/install_gateway.yml inventories/lab)"
}

ensure_images() { # RELEASE KIND…
  local release=$1 kind
  shift
  mkdir -p "$RUN"
  # One builder at a time: two labs may start together.
  exec 8>"$RUN/images.lock"
  flock 8
  for kind in bare "$@"; do
    if ! podman image exists "$("${kind}_image" "$release")"; then build_image "$kind" "$release"; fi
  done
  exec 8>&-
}

build_image() { # KIND RELEASE
  local started=$SECONDS image
  image=$("$1_image" "$2")
  say "building the $1 image for $2 (once)"
  # Not `build || die`: bash would go on after a failure inside the function.
  set +e
  (
    set -e
    "build_$1" "$2" "$image"
    # What podman leaves running must not keep the lock.
  ) >"$CACHE/image-$1-$2.log" 2>&1 8>&-
  local status=$?
  set -e
  [[ $status -eq 0 ]] || {
    tail -n 40 "$CACHE/image-$1-$2.log" >&2
    die "building the $1 image for $2 failed; the end of $CACHE/image-$1-$2.log is above"
  }
  remove_older_images "$image"
  echo "built $image in $((SECONDS - started)) s"
}

remove_older_images() { # IMAGE: the same kind and release under another digest
  local other
  podman images --format '{{.Repository}}:{{.Tag}}' | grep "^${1%-*}-" | grep -vx "$1" |
    while read -r other; do podman rmi "$other" >/dev/null 2>&1; done || true # another lab may use it
}

build_bare() { # RELEASE IMAGE
  local tree=$CACHE/bare-$1.tar
  # shellcheck disable=SC2016  # $1 belongs to mmdebstrap's hook
  mmdebstrap --variant=minbase --include="$BARE_PACKAGES" --skip=cleanup/apt \
    --customize-hook="DEBIAN_FRONTEND=noninteractive chroot \"\$1\" apt-get install -y --no-install-recommends --download-only ${GATEWAY_DOWNLOADS[*]} ${PEER_DOWNLOADS[*]}" \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_*_key* "$1"/etc/machine-id; touch "$1"/etc/machine-id' \
    --customize-hook='printf "[Unit]\nBefore=ssh.service\n[Service]\nType=oneshot\nExecStart=/usr/bin/ssh-keygen -A\n[Install]\nWantedBy=multi-user.target\n" >"$1"/etc/systemd/system/lab-host-keys.service' \
    --customize-hook='systemctl --root="$1" enable lab-host-keys.service && systemctl --root="$1" mask systemd-modules-load.service' \
    "$1" "$tree"
  podman import --quiet "$tree" "$2"
  rm -f "$tree"
}

build_peer() { # RELEASE IMAGE
  local host=sender-filter-bake-peer-$1
  podman rm --force --time 1 --ignore "$host"
  start_container "$host" peer.example.test "$(bare_image "$1")" podman
  podman exec --interactive "$host" bash -s <"$ROOT/scripts/lib/peer.sh"
  commit_image "$host" "$2"
}

build_gateway() { # RELEASE IMAGE
  local lab=bake-$1
  remove_lab "$lab"
  create_network "$lab"
  start_host "$lab" gateway gw1 "$(bare_image "$1")"
  wait_for_host "$lab" gw1
  SENDER_FILTER_LAB=$lab ansible-playbook --inventory "$ROOT/inventories/lab" \
    "$ROOT/playbooks/install_gateway.yml"
  # Each gateway takes its own name from its host, not the name of this one.
  podman exec "$lab-gw1" postconf -X myhostname
  # What could not be delivered once, on a busy machine or behind a program that a test has killed, is soon tried again.
  podman exec "$lab-gw1" postconf -e queue_run_delay=5s minimal_backoff_time=5s maximal_backoff_time=10s
  commit_image "$lab-gw1" "$2"
  remove_lab "$lab"
}

commit_image() { # CONTAINER IMAGE
  podman stop --time 30 "$1"
  podman commit --quiet "$1" "$2"
  podman rm "$1"
}
