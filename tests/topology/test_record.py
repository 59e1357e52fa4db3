from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from module_utils.topology import model, record
from module_utils.topology.model import Ports


@pytest.mark.parametrize("topology", model.TOPOLOGIES)
def test_what_is_declared_is_on_record(tmp_path: Path, topology: str) -> None:
    file = tmp_path / "new/folder/declared.json"
    record.write(record.render(topology, Ports()), file)
    assert record.declared(file) == topology
    assert record.read(file) == record.render(topology, Ports())
    assert [path.name for path in file.parent.iterdir()] == ["declared.json"]


def test_a_record_is_one_line_of_json_that_names_the_ports() -> None:
    data = record.render(model.EDGE, Ports(listen=26, smtp=2600))
    assert data == record.render(model.EDGE, Ports(listen=26, smtp=2600, scan=1))
    assert json.loads(data) == {"topology": "edge", "listen": 26, "smtp": 2600}
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")


def test_other_declarations_give_other_bytes() -> None:
    declarations = {
        record.render(topology, ports)
        for topology in model.TOPOLOGIES
        for ports in (Ports(), Ports(listen=26), Ports(smtp=2600))
    }
    assert len(declarations) == 9


def test_nothing_is_declared_where_nothing_was_written(tmp_path: Path) -> None:
    file = tmp_path / "declared.json"
    assert record.read(file) is None
    assert record.declared(file) is None
    record.write(b"", file)
    assert record.declared(file) is None


def test_the_last_declaration_counts_and_can_be_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "declared.json"
    record.write(record.render(model.DIRECT, Ports()), file)
    previous = record.read(file)
    record.write(record.render(model.EDGE, Ports()), file)
    assert record.declared(file) == model.EDGE
    record.write(previous, file)
    assert record.declared(file) == model.DIRECT
    record.write(None, file)
    assert record.read(file) is None
    record.write(None, file)


def test_the_options_of_the_moved_service_are_on_record(tmp_path: Path) -> None:
    file = tmp_path / "declared.json"
    assert record.options(file) is None
    record.write(record.render(model.DIRECT, Ports()), file)
    assert record.options(file) is None
    record.write(record.render(model.EDGE, Ports()), file)
    assert record.options(file) == {}
    record.write(record.render(model.EDGE, Ports(), {"syslog_name": "x", "a": ""}), file)
    assert record.options(file) == {"syslog_name": "x", "a": ""}
    assert record.declared(file) == model.EDGE


def test_without_a_file_the_hosts_own_record_is_meant() -> None:
    record.write(record.render(model.EDGE, Ports()))
    assert record.FILE.exists()
    assert record.declared() == model.EDGE


def test_the_ports_around_the_filter_are_on_record_in_inline_alone() -> None:
    ports = Ports(proxy=10030, after_proxy=10031)
    declared = {one: json.loads(record.render(one, ports)) for one in model.TOPOLOGIES}
    assert declared[model.INLINE] == {
        "topology": "inline",
        "listen": 25,
        "smtp": 2500,
        "proxy": 10030,
        "after_proxy": 10031,
    }
    assert (
        set(declared[model.EDGE]) == set(declared[model.DIRECT]) == {"topology", "listen", "smtp"}
    )


def test_the_options_of_another_topology_are_not_taken_for_those_asked_for(tmp_path: Path) -> None:
    file, given = tmp_path / "declared.json", {"smtpd_proxy_filter": "127.0.0.1:10020"}
    record.write(record.render(model.INLINE, Ports(), given), file)
    assert record.options(file, topology=model.INLINE) == given
    assert record.options(file) is None
    record.write(record.render(model.EDGE, Ports(), {"syslog_name": "x"}), file)
    assert record.options(file, topology=model.INLINE) is None


def test_a_record_is_on_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, synced = tmp_path / "declared.json", []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(file.exists()))
    record.write(record.render(model.EDGE, Ports()), file)
    assert synced == [False, True]
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
