# shellcheck shell=bash
# A Debian of its own for servers that are measured: what it installs is not installed here, and its loopback has every
# port free. No container is needed: it is a folder, entered with namespaces of its own.

BOX_RELEASE=bookworm
BOX_PACKAGES=postfix,haproxy,nginx,libnginx-mod-stream,libnginx-mod-mail,rbldnsd,nodejs,npm,python3-venv,gcc,libc6-dev

BOX_NPM=$ROOT/bench/side_by_side/haraka # what npm installs, pinned

# Makes the box once, and sets BOX to its folder. One maker at a time: two benchmarks may start together.
make_box() {
  exec 7>"$CACHE/box.lock"
  flock 7
  BOX=$CACHE/box-$BOX_RELEASE-$(echo "$BOX_PACKAGES" | cat - "$BOX_NPM"/* | sha256sum | cut -c1-8)
  [[ -e $BOX ]] || build_box
  exec 7>&-
}

build_box() {
  ensure_packages mmdebstrap
  say "making a box with what is measured (once)"
  rm -rf "$BOX.new"
  mmdebstrap --variant=minbase --include="$BOX_PACKAGES" --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io "$BOX_RELEASE" "$BOX.new" >"$CACHE/box.log" 2>&1 7>&- || {
    tail -n 20 "$CACHE/box.log" >&2
    die "mmdebstrap could not make the box; the end of $CACHE/box.log is above"
  }
  install_haraka "$BOX.new" >>"$CACHE/box.log" 2>&1 7>&- ||
    echo "npm could not install Haraka, which is not measured then; the end of $CACHE/box.log says why" >&2
  mv "$BOX.new" "$BOX"
}

# npm uses the network as this machine does: its name servers, certificates and npmrc, for as long as that takes.
install_haraka() { # BOX
  local home=$1/opt/haraka file status=0
  local lent=(/etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /etc/npmrc "$HOME/.npmrc")
  mkdir -p "$home" "$1/etc/ssl/certs" "$1$HOME"
  cp "$BOX_NPM"/* "$home"
  for file in "${lent[@]}"; do [[ ! -e $file ]] || cp "$file" "$1$file"; done
  chroot "$1" env HOME="$HOME" NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
    npm ci --prefix /opt/haraka --no-audit --no-fund --omit=optional --ignore-scripts || status=1
  for file in "${lent[@]}"; do rm -f "$1$file"; done
  [[ $status -eq 0 ]] || rm -rf "$home/node_modules"
  return "$status"
}

# Runs a command in the box. This repository and the folders are at their own places in it; all it starts ends with it.
in_box() { # FOLDER… -- COMMAND…
  local folders=("$ROOT")
  while [[ $1 != -- ]]; do
    folders+=("$1")
    shift
  done
  shift
  # shellcheck disable=SC2016  # the variables belong to the inner shell
  BOX=$BOX FOLDERS=${folders[*]} unshare --net --mount --pid --fork --kill-child bash -euc '
    mount -t proc proc "$BOX/proc"
    for folder in $FOLDERS; do
      mkdir -p "$BOX$folder"
      mount --bind "$folder" "$BOX$folder"
    done
    ip link set lo up
    # Clients come from a network that is kept for measuring (RFC 2544), and is nobody'"'"'s own.
    ip route add local 198.18.0.0/15 dev lo
    # Thousands of clients a second: ports, and queues for those who wait to be accepted.
    sysctl -qw net.ipv4.ip_local_port_range="1024 65535" net.core.somaxconn=8192
    ulimit -n "$(ulimit -H -n)"
    exec chroot "$BOX" "$@"' bash "$@"
}
