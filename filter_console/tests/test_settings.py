"""The console's configuration: what is refused, and that the message says why."""

import subprocess
from pathlib import Path

import pytest
from console import COMMAND, HASHER

from sender_filter.settings.toml import ConfigError
from sender_filter_console.settings import loading

HASH = HASHER.hash("a password")
USER = f'[[users]]\nname = "alice"\npassword_hash = "{HASH}"\n'


def load(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return loading.load(path)


def test_a_user_is_all_that_is_needed(tmp_path):
    config = load(tmp_path, USER)
    assert str(loading.endpoint(config)) == "127.0.0.1:8025"
    assert config.users[0].role == "viewer"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nobody could log in"),
        (USER + USER, "alice stands there more than once"),
        (USER + "[listen]\nadress = ''", "did you mean address"),
        (USER + "[listen]\naddress = '0.0.0.0:8025'", "there is no TLS"),
        (USER + "[listen]\naddress = '[::]:8025'", "there is no TLS"),
        (USER + "[listen]\naddress = 'localhost:8025'", "listen.address"),
        (USER + "[listen]\ncertificate = '/c'", "listen.key: missing"),
        (USER + "[listen]\nkey = '/k'", "listen.certificate: missing"),
        (USER + "[index]\nfile = 'index.sqlite'", "not an absolute path"),
        (USER + "[index]\ndays = 0", "index.days"),
        (USER + "[filter]\nsockets = []", "filter.sockets"),
        (USER.replace("alice", "a b"), "users"),
        (USER.replace(HASH, "a password"), "users"),
        (USER + 'role = "root"', "users"),
        (USER + "comment = ''", "users"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert str(tmp_path / "config.toml") in str(caught.value)
    assert HASH not in str(caught.value)


@pytest.mark.parametrize("address", ["0.0.0.0:8025", "[::]:8025", "192.0.2.1:8443"])
def test_with_tls_it_may_be_had_on_the_network(tmp_path, address):
    text = f"{USER}[listen]\naddress = '{address}'\ncertificate = '/c'\nkey = '/k'"
    assert load(tmp_path, text).listen.address == address


def test_the_command_says_it_in_one_line(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("[lisen]\n")
    for command in ("check-config", "serve"):
        done = subprocess.run(
            [COMMAND, command, "--config", path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr.strip() == f"Error: {path}: lisen: unknown key; did you mean listen?"


def test_a_hash_is_one_for_the_configuration(tmp_path):
    done = subprocess.run(
        [COMMAND, "hash-password", "--password", "right horse"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    config = load(tmp_path, USER.replace(HASH, done.stdout.strip()))
    assert config.users[0].password_hash.startswith("$argon2id$")


def test_the_readme_names_what_there_is():
    folder = Path(__file__).parents[1]
    named = [line.split("`")[1::2] for line in (folder / "README.md").read_text().splitlines()
             if line.startswith("| `")]  # fmt: skip
    for name in (name for names in named for name in names if name.endswith(("/", ".py"))):
        assert (folder / "src" / "sender_filter_console" / name).exists(), name
