"""Known hosts that operators add while the filter runs: who may be one, and what it changes."""

import asyncio
import json
import signal

import pytest
import yaml
from harness import Backend
from test_functions import (
    ASK_ABOUT_LOOPBACK,
    KNOWN_HOSTS,
    REPUTATION,
    Client,
    Postfix,
    judged_by_headers,
    received,
    started,
    trusted,
)

from sender_filter.core import addresses, networks
from sender_filter.core.received import width
from sender_filter.core.runtime_lists import Entry
from sender_filter.settings import loading
from sender_filter.settings.reading import ConfigError
from sender_filter.state import interface

RELAY, OUTSIDE, ORIGIN = "198.51.100.7", "203.0.113.7", "192.0.2.1"
TOO_WIDE = (
    "0.0.0.0/0",
    "0.0.0.0-255.255.255.255",
    "192.0.0.0/7",
    "::/0",
    "2000::/15",
    "::ffff:0:0/96",
)


# Who may be one


@pytest.mark.parametrize("text", [*TOO_WIDE, "::ffff:0:0/96"])
def test_no_half_of_the_internet_is_a_known_host(text):
    [network] = networks.parse(text)
    with pytest.raises(ValueError, match="too wide for known hosts"):
        width.check(network)


@pytest.mark.parametrize("text", ["192.0.0.0/8", "2001::/16", "fc00::/7", "10.0.0.0/8", "::1"])
def test_the_widest_are_taken_and_all_that_is_private(text):
    for network in networks.parse(text):
        width.check(network)


@pytest.mark.parametrize("key", ["networks", "cloud_prefilter_networks"])
def test_the_configuration_takes_none_that_are_too_wide_either(tmp_path, key):
    config = tmp_path / "config.toml"
    config.write_text(
        f'[lists]\nblocked = []\napproved = []\n[known_hosts]\nenabled = true\n{key} = ["::/0"]\n'
    )
    with pytest.raises(ConfigError, match=rf"known_hosts\.{key}:1: ::/0 is too wide"):
        loading.load(config)


def test_no_store_is_believed_that_all_are_known():
    for text, believed in (("10.0.0.0/8", True), ("0.0.0.0/0", False)):
        [network] = networks.parse(text)
        written = interface.entry_to_text(Entry(network, "operator", 1.0, "known"))
        if believed:
            assert interface.entry_from_text(written).network == network
        else:
            with pytest.raises(ValueError, match="too wide"):
                interface.entry_from_text(written)


# What they change


def known(proxy, *words):
    return asyncio.to_thread(proxy.run, "known", *words)


async def sent(client, message):
    """A message more in a session; the answer to it."""
    for line in ("MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>", "DATA"):
        await client.say(line)
    return await client.say(message)


async def test_a_relay_is_known_at_once_in_a_session_that_goes_on(proxy):
    proxy.write_lists(blocked=f"{OUTSIDE}\n")
    await started(proxy, Postfix(), KNOWN_HOSTS)
    client = await Client.of(proxy)
    message = received(RELAY, OUTSIDE)
    assert (await client.deliver(message))[4].startswith("250 ")
    said = await known(proxy, "add", RELAY, "--comment", "our new relay", "--for", "1h")
    assert said.stdout == f"{RELAY} is a known host\n"
    assert (await sent(client, received(RELAY, ORIGIN))).startswith("250 ")
    assert (await sent(client, message)).startswith("554 5.7.1 ")
    await known(proxy, "remove", RELAY)
    assert (await (await Client.of(proxy)).deliver(message))[4].startswith("250 ")
    judged = await judged_by_headers(proxy, 4)
    assert [(each["address"], each["action"]) for each in judged] == [
        (RELAY, "pass"), (ORIGIN, "pass"), (OUTSIDE, "permanent"), (RELAY, "pass"),
    ]  # fmt: skip


HOST = "127.0.0.3"  # each on loopback is a known host, and no list has this one as its test point
NO_MORE = "[known_hosts]\nenabled = false\n"


async def reloaded(proxy, former, now, **lists):
    """The filter has taken lists, and other lines of its configuration."""
    proxy.config.write_text(proxy.config.read_text().replace(former, now))
    proxy.write_lists(**lists)
    proxy.signal(signal.SIGHUP)
    await proxy.hears("READY=1")


@pytest.mark.parametrize(
    ("blocked", "listed", "answer"),
    [(HOST, ORIGIN, "554 5.7.1 "), ("", HOST, "550 5.7.1 "), ("", ORIGIN, "250 ")],
)
async def test_who_is_a_relay_no_longer_is_judged_itself_in_a_session_that_goes_on(
    proxy, dns, blocked, listed, answer
):
    dns.lists("ip4.test", listed)
    postfix = await Postfix().start()
    proxy.configure(postfix.port, more=KNOWN_HOSTS + REPUTATION.format(dns.address))
    await proxy.start(change=ASK_ABOUT_LOOPBACK)
    await trusted(proxy)
    client = Client(*await proxy.connect(local_addr=(HOST, 0)))
    assert (await client.deliver(received(OUTSIDE)))[4].startswith("250 ")
    await reloaded(proxy, KNOWN_HOSTS, NO_MORE, blocked=blocked)
    assert (await sent(client, received(ORIGIN))).startswith(answer)
    assert [each["address"] for each in await proxy.written(3)] == [HOST, OUTSIDE, HOST]


async def test_an_origin_is_not_charged_with_what_its_relay_does_next(proxy):
    bounced = '[profiler.bounced]\nenabled = "on"\ntotal_messages = 3\n'
    await started(proxy, Postfix(), KNOWN_HOSTS + bounced)
    client = await Client.of(proxy)
    assert (await client.deliver(received(OUTSIDE)))[4].startswith("250 ")
    for _ in range(6):
        await client.say("MAIL FROM:<a@example.test>")
        assert (await client.say("RCPT TO:<nobody@example.test>")).startswith("550 ")
        await client.say("RSET")
    await client.say("QUIT")
    assert await proxy.ask("block", "list") == []
    assert (await (await Client.of(proxy)).deliver(received(OUTSIDE)))[4].startswith("250 ")


async def test_a_client_that_is_a_relay_is_no_longer_judged_itself(proxy):
    await started(proxy, Postfix(), KNOWN_HOSTS)
    explained = (await proxy.ask("check", RELAY))["checks"][-1]
    assert explained["function"] == "blocked"
    await known(proxy, "add", "198.51.100.0/24", "--comment", "our relays")
    explained = (await proxy.ask("check", RELAY))["checks"][-1]
    assert (explained["function"], explained["result"]) == ("known_hosts", "match")
    assert "198.51.100.0/24 (operator: our relays)" in explained["detail"]


async def test_they_outlive_the_death_of_the_filter(proxy):
    await started(proxy, Postfix(), KNOWN_HOSTS)
    await known(proxy, "add", RELAY)
    await asyncio.sleep(0.2)  # the store writes behind the loop's back
    proxy.kill()
    await proxy.start()
    [entry] = await proxy.ask("known", "list")
    assert (entry["network"], entry["kind"], entry["who"]) == (RELAY, "known", "operator")
    assert await proxy.ask("approve", "list") == await proxy.ask("block", "list") == []
    assert (await proxy.status())["known_hosts"] == 1


# What a terminal says


async def running(proxy, more=KNOWN_HOSTS):
    proxy.write_lists()
    backend = await Backend().start()
    proxy.configure(backend.port, more=more)
    await proxy.start()


@pytest.mark.parametrize("text", ["0.0.0.0/0", "0.0.0.0-255.255.255.254"])
async def test_what_is_too_wide_is_refused_as_a_whole(proxy, text):
    await running(proxy)
    said = await asyncio.to_thread(proxy.run, "known", "add", text, check=False)
    assert said.returncode == 1
    assert "too wide for known hosts: /8 is the widest" in said.stderr
    assert await proxy.ask("known", "list") == []


async def test_what_is_declared_goes_on_and_that_is_said(proxy):
    await running(proxy, KNOWN_HOSTS + f'networks = ["{RELAY}"]\n')
    said = (await known(proxy, "remove", RELAY)).stdout
    assert said.endswith(f"but declared as one: {RELAY} (known_hosts.networks:1)\n")
    assert (await proxy.ask("check", RELAY))["checks"][-1]["function"] == "known_hosts"


async def test_that_nobody_minds_them_is_said(proxy):
    await running(proxy, "")
    said = (await known(proxy, "add", RELAY)).stdout
    assert (
        said
        == f"{RELAY} is a known host; the function Known Hosts is off here, so nobody minds it\n"
    )
    assert (await proxy.ask("check", RELAY))["checks"][-1]["function"] == "blocked"


async def test_each_order_leaves_a_record(proxy):
    await running(proxy)
    await known(proxy, "add", "198.51.100.0/24", "--for", "1h", "--comment", "ticket 4711")
    await known(proxy, "remove", "198.51.100.0/24")
    orders = [each for each in await proxy.written(2) if each["event"] == "order"]
    assert [each["order"] for each in orders] == ["know", "forget"]
    author = orders[0]["author"]
    text = (await asyncio.to_thread(proxy.run, "log", "--ip", RELAY)).stdout
    until_then = orders[0]["until"]
    assert f"198.51.100.0/24 made a known host by {author} until {until_then} (ticket 4711)" in text
    assert f"198.51.100.0/24 made no known host by {author}\n" in text


async def test_they_are_searched_carried_in_and_out(proxy, tmp_path):
    await running(proxy, KNOWN_HOSTS + 'networks = ["203.0.113.0/24 # declared"]\n')
    file = tmp_path / "vendor.txt"
    file.write_text("198.51.100.0:255.255.255.0\n2001:db8::/48 # the cloud\n0.0.0.0/0\n")
    words = ("import", "--list", "known_hosts", "--comment", "moved", str(file))
    done = await asyncio.to_thread(proxy.run, *words, check=False)
    assert (done.returncode, done.stdout) == (1, "2 entries are known hosts\n")
    assert "1 times: 0.0.0.0/0 is too wide" in done.stderr
    search = ("lists", "search", RELAY, "--list", "known_hosts", "--json")
    [found] = json.loads((await asyncio.to_thread(proxy.run, *search)).stdout)
    assert (found["list"], found["origin"], found["comment"]) == (
        "known_hosts",
        "run time",
        "moved",
    )
    export = ("export", "--list", "known_hosts", "--origin", "run-time", "--format")
    vendor = (await asyncio.to_thread(proxy.run, *export, "vendor")).stdout
    assert sorted(vendor.split()) == ["198.51.100.0:255.255.255.0", "2001:db8::/48"]
    cidr = (await asyncio.to_thread(proxy.run, *export, "cidr")).stdout
    assert "198.51.100.0/24 # " in cidr
    whole = (await asyncio.to_thread(proxy.run, "export", "--format", "yaml")).stdout
    items = yaml.safe_load(whole)["sender_filter_known_hosts"]
    assert [each.split()[0] for each in items if "declared" not in each] == [
        "2001:db8::/48", "198.51.100.0/24",
    ]  # fmt: skip
    assert "203.0.113.0/24 # declared" in items
    assert len(items) == 3
    declared = tmp_path / "declared.toml"
    declared.write_text(
        "[lists]\nblocked = []\napproved = []\n"
        f"[known_hosts]\nenabled = true\nnetworks = {json.dumps(items)}\n"
    )
    assert loading.load(declared).policy.known.find(addresses.parse(RELAY)) is not None
