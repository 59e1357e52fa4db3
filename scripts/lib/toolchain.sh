# shellcheck shell=bash
# Installs what the scripts stand on: Debian packages for the lab, a Python environment for Ansible.

# shellcheck disable=SC2034  # for the scripts that source this
LAB_PACKAGES=(podman crun netavark aardvark-dns conmon iptables iproute2 mmdebstrap openssh-client procps uidmap)
# With a font that has Japanese letters.
# shellcheck disable=SC2034
BROWSER_PACKAGES=(chromium chromium-driver fonts-dejavu-core fonts-noto-cjk)

ensure_packages() { # PACKAGE…
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  command -v apt-get >/dev/null || die "needs ${missing[*]}: install them, this is not a Debian machine"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  if ! {
    apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"
  } >"$CACHE/apt.log" 2>&1; then
    tail -n 20 "$CACHE/apt.log" >&2
    die "apt-get could not install ${missing[*]}; the end of $CACHE/apt.log is above"
  fi
}

# Makes the environment of requirements/NAME.txt once, and puts it on the PATH.
use_environment() { # NAME (control, test or fuzz)
  local pins=$ROOT/requirements/$1.txt home
  home=$CACHE/venv-$1-$(cat "$pins" <(python3 --version) | sha256sum | cut -c1-12)
  if [[ ! -e $home/.complete ]]; then
    say "making the Python environment '$1' (once)"
    rm -rf "$home"
    python3 -c 'import ensurepip' 2>/dev/null || ensure_packages python3-venv
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$pins" \
      2>"$CACHE/pip.log" || {
      tail -n 20 "$CACHE/pip.log" >&2
      die "pip could not install $pins; the end of $CACHE/pip.log is above"
    }
    touch "$home/.complete"
  fi
  export PATH=$home/bin:$PATH
  export ANSIBLE_CONFIG=$ROOT/ansible.cfg
  # The scripts move the lab's hosts alone, whatever the shell names for an operator's own.
  export ANSIBLE_INVENTORY=$ROOT/inventories/lab
}

# Unpacks the filter, or with --console its console, for a version of Python into the virtual environment FOLDER, as a
# gateway has it.
unpack_release() { # FOLDER [--console] PYTHON
  local archive program
  archive=$("$ROOT/scripts/wheelhouse" "${@:2}" | tail -n 1)
  tar -xOf "$archive" "${*: -1}.tar.gz" | tar -C "$1" -xz
  for program in "$1"/bin/sender*; do sed -i "1s|.*|#!$1/bin/python|" "$program"; done
}

# The same in an environment of its own, for the Python that runs here. It is compiled, as on a gateway: a start takes
# half the time.
install_filter() { # FOLDER [--console]
  python3 -m venv --without-pip "$1"
  unpack_release "$@" "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  "$1/bin/python" -m compileall -q -j 0 "$1/lib"
}

mkdir -p "$CACHE"
