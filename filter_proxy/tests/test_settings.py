"""Configuration: defaults, and errors that name file, key and cure."""

import re

import pytest
from redis.asyncio.connection import parse_url

from sender_filter.settings import endpoints, fronts, loading, reading
from sender_filter.settings.reading import ConfigError
from sender_filter.settings.schema import Config


def read(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return reading.read(path)


def test_an_empty_file_gives_the_defaults(tmp_path):
    config = read(tmp_path, "")
    assert config == Config()
    assert config.listen.addresses == ["0.0.0.0:25", "[::]:25"]
    assert config.upstream.address == "127.0.0.1:2500"
    assert (config.limits.sessions, config.limits.drain_seconds, config.log.days) == (4000, 60, 14)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[listen]\nadresses = []", r"listen.adresses: unknown key; did you mean addresses\?"),
        ("[limit]\nsessions = 1", r"limit: unknown key; did you mean limits\?"),
        ("[log]\nzzz = 1", r"log.zzz: unknown key; did you mean days or directory\?"),
        ("[limits]\nsessions = '4'", r"limits.sessions: Expected int, got str"),
        ("[limits]\nsessions = 0", r"limits.sessions: Expected int >= 1"),
        ("[limits.sessions]\na = 1", r"limits.sessions: Expected int, got object"),
        ("listen = 5", r"listen: Expected object, got int"),
        ("[listen]\naddresses = [5]", r"listen.addresses\[0\]: Expected str, got int"),
        ("[listen]\naddresses = ['25']", r"listen.addresses: '25' is not address:port"),
        ("[upstream]\naddress = 'localhost:2500'", r"upstream.address: 'localhost' is not an IP"),
        ("[inline]\naddress = '192.0.2.1:10020'", r"inline.address: .* is not on loopback: a str"),
        (
            "[inline]\nupstream = '[::]:10021'",
            r"inline.upstream: '\[::\]:10021' is not on loopback",
        ),
        ("[inline]\naddress = '10020'", r"inline.address: '10020' is not address:port"),
        ("[inline]\ncontrol = 'sock'", r"inline.control: 'sock' is not an absolute path"),
        ("[tls]\nkey = '/k'", r"tls.certificate: missing; name both files, or none to leave"),
        ("[tls]\ncertificate = '/c'", r"tls.key: missing; name both files"),
        ("[tls]\nkey = '/k'\ncertificate = 'c'", r"tls.certificate: 'c' is not an absolute path"),
        ("[lists]\nblocked = ['']", r"lists.blocked: '' is not the name of a file"),
        ("[log]\ndirectory = 'log'", r"log.directory: 'log' is not an absolute path"),
        ("[log]\ndays = 0", r"log.days: Expected int >= 1"),
        ("[limits", "is not TOML"),
        ("a = " + "9" * 5000, "is not TOML: Exceeds the limit"),
        ("a = " + "[" * 2000, "is not TOML: maximum recursion depth"),
        ("[limits]\nidle_seconds = 0", "limits.idle_seconds: Expected float > 0"),
        ("[limits]\nidle_seconds = nan", "limits.idle_seconds: Expected float"),
        ("[limits]\nsessions_per_address = -1", "limits.sessions_per_address: Expected int >= 0"),
        ("[limits]\nminimum_bytes_per_second = 0", "limits.minimum_bytes_per_second: Expected int"),
    ],
)
def test_errors_name_file_and_key_and_cure(tmp_path, text, message):
    with pytest.raises(ConfigError, match=rf"config.toml: {message}"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret/x@127.0.0.1:6379/0",
        "redis://:s3c#ret@127.0.0.1:6379/0",
        "redis://:s3c?r=et@127.0.0.1:6379/0",
        "redis://user:53/s3cret@127.0.0.1:6379/0",
        "redis://user:53?s3cret=@127.0.0.1:6379/0",
        "redis://:x@[s3cret]:6379/0",
        "redis://:s3cret@127.0.0.1:63790/s3cret",
        "redis://:s3cret@127.0.0.1:66666",
        "redis://\u2100s3cret",
        "s3cret://127.0.0.1",
        "unix://:s3/cret@/run/kv.sock",
        "unix:s3cret",
    ],
)
def test_an_address_with_a_password_that_cannot_be_read_is_refused_and_not_quoted(tmp_path, url):
    (tmp_path / "secret").write_text(f"{url}\n", encoding="utf-8")
    for text in (url, f"file:{tmp_path}/secret"):
        with pytest.raises(ConfigError, match=r"state\.url: cannot .* write / as %2F") as caught:
            read(tmp_path, f"[state]\nurl = '{text}'\n")
        assert not re.search("s3c|ret", str(caught.value).replace(str(tmp_path), ""))


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://state.example.com",
        "redis://:s3cret@127.0.0.1:6379/0",
        "redis://:s3%2Fc%40r%3Ae%23t@127.0.0.1",
        "rediss://user:s3c@r:et@[2001:db8::1]:6379/2?ssl_ca_certs=/etc/ssl/certs/ours.pem",
        "unix:///run/kv.sock?db=1&password=s3c@ret",
        "unix://user:s3cret@/run/kv.sock",
    ],
)
def test_an_address_that_can_be_read_is_as_the_library_reads_it(tmp_path, url):
    assert read(tmp_path, f"[state]\nurl = '{url}'\n").state.url == url
    password = parse_url(url).get("password")
    assert password is None or password.startswith("s3")


def test_an_address_in_a_file_is_checked_where_it_can_be_seen(tmp_path):
    """Before a unit has copied it nothing can be said; and a play brings the next one along."""
    in_use = tmp_path / "run" / "state-url"
    config = f"[state]\nurl = 'file:{in_use}'"
    read(tmp_path, config)
    in_use.parent.mkdir()
    in_use.write_bytes(b"redis://:\xff")
    with pytest.raises(ConfigError, match=r"state\.url: cannot be read as"):
        read(tmp_path, config)
    (tmp_path / "state-url").write_text("redis://:s3cret@127.0.0.1\n")
    read(tmp_path, config)


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        reading.read(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        reading.read(tmp_path / "bad.toml")


def test_lists_are_loaded_with_it_or_named_in_the_error(tmp_path):
    blocked, approved = tmp_path / "b", tmp_path / "a"
    path = tmp_path / "config.toml"
    path.write_text(f"[lists]\nblocked = ['{blocked}']\napproved = ['{approved}']\n")
    approved.write_text("")
    with pytest.raises(ConfigError, match=rf"lists.blocked: {blocked}: No such file.*create it"):
        loading.load(path)
    blocked.write_bytes(b"\xef\xbb\xbf192.0.2.1 # caf\xe9\n")
    assert loading.load(path).policy.blocked.entries == 1
    blocked.write_text("192.0.2.1\nnonsense\n")
    with pytest.raises(ConfigError, match=rf"{blocked}:2: 'nonsense' is not an IP address"):
        loading.load(path)


@pytest.mark.parametrize("address", ["127.0.0.1:10020", "127.1.2.3:0", "[::1]:10020"])
def test_each_front_has_its_places(tmp_path, address):
    config = read(tmp_path, f"[inline]\naddress = '{address}'\n[upstream]\nconnect_seconds = 5\n")
    edge, inline = fronts.of(config, "edge"), fronts.of(config, "inline")
    assert (inline.addresses, inline.upstream.address) == ([address], "127.0.0.1:10021")
    assert inline.upstream.connect_seconds == edge.upstream.connect_seconds == 5
    assert (edge.addresses, edge.upstream) == (config.listen.addresses, config.upstream)
    assert edge.control != inline.control


@pytest.mark.parametrize("text", ["127.0.0.1:25", "[::1]:2500", "[::]:0"])
def test_endpoints_read_and_print_the_same(text):
    assert str(endpoints.parse(text)) == text


@pytest.mark.parametrize("text", ["::1:25", "[127.0.0.1]:25", "127.0.0.1:65536", "25", "a:b"])
def test_what_is_no_endpoint(text):
    with pytest.raises(ValueError, match=r"is not|in brackets"):
        endpoints.parse(text)


def test_a_relative_list_lies_beside_the_configuration(tmp_path, monkeypatch):
    staged = tmp_path / "staged"
    staged.mkdir()
    (staged / "blocked.list").write_text("192.0.2.1\n")
    path = staged / "config.toml"
    path.write_text("[lists]\nblocked = ['blocked.list']\napproved = []\n")
    monkeypatch.chdir("/")  # where the filter was started must not matter
    assert loading.load(path).policy.blocked.entries == 1
    (staged / "blocked.list").write_text("nonsense\n")
    with pytest.raises(ConfigError, match=rf"{staged}/blocked.list:1: "):
        loading.load(path)
