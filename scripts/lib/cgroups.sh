# shellcheck shell=bash
# crun wants a pure cgroup2 tree. Where the machine mounts another kind, the lab lives in a mount
# namespace of its own that has one; a process keeps it open, so that later shells can join it.
# On an ordinary machine none of this happens.

KEEPER_NAME=sender-filter-lab-keeper
KEEPER_PID=$RUN/keeper.pid

has_cgroup2() { [[ $(stat -f -c %T /sys/fs/cgroup) == cgroup2fs ]]; }

keeper() { # prints the keeper's pid, fails when there is none
  local pid
  pid=$(cat "$KEEPER_PID" 2>/dev/null) || return 1
  [[ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") == "$KEEPER_NAME "* ]] || return 1
  echo "$pid"
}

start_keeper() {
  mkdir -p "$RUN"
  # shellcheck disable=SC2016  # $0 and $1 belong to the inner shell
  setsid unshare --mount bash -c '
    umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup &&
      echo $$ >"$1.new" && mv "$1.new" "$1" && exec -a "$0" sleep infinity' \
    "$KEEPER_NAME" "$KEEPER_PID" </dev/null >"$RUN/keeper.log" 2>&1 9>&- &
  local _
  for _ in {1..50}; do
    keeper >/dev/null && remove_remnants && return
    sleep 0.1
  done
  die "could not make a mount namespace with cgroup2: $(cat "$RUN/keeper.log")"
}

# Hosts that lived in another namespace have ended with it, though podman believes that they run.
remove_remnants() {
  nsenter --mount="/proc/$(keeper)/ns/mnt" -- podman --log-level=error \
    rm --force --time 0 --volumes --filter label=sender-filter-lab >/dev/null 2>&1 || true
}

# Runs this script again, with the same arguments, where podman works.
enter_namespace() { # ARGUMENTS…
  has_cgroup2 && return
  mkdir -p "$RUN"
  (
    flock 9
    keeper >/dev/null || start_keeper
  ) 9>"$RUN/keeper.lock"
  exec nsenter --mount="/proc/$(keeper)/ns/mnt" --wd="$PWD" -- "$0" "$@"
}

# Whether another script or shell goes on in the keeper's namespace; it may be about to start hosts.
used_by_others() { # KEEPER
  local pid parent
  for pid in $(pgrep --ns "$1" --nslist mnt --exact bash); do
    parent=$(ps -o ppid= -p "$pid") || continue # it has ended
    [[ $pid -eq $$ || $parent -eq $$ ]] || return 0
  done
  return 1
}

# Ends the keeper when nothing needs it: no lab host is left, and no script goes on around or beside us.
release_namespace() {
  local pid hosts
  [[ -z ${SENDER_FILTER_INSIDE_LAB:-} ]] || return 0
  hosts=$(podman ps --all --quiet --filter label=sender-filter-lab) || return 0
  [[ -z $hosts ]] || return 0
  pid=$(keeper) || return 0
  ! used_by_others "$pid" || return 0
  rm -f "$KEEPER_PID"
  kill "$pid"
}
