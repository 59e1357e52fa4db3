from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VENDOR = (
    "LD_PRELOAD=/opt/trend/imss/lib64/libTmFoxSocketLib.so "
    "TM_FOX_PROXY_LIST=/opt/trend/imss/config/foxproxy.list "
    "LD_LIBRARY_PATH=/opt/trend/imss/lib TM_FOX_PROXY_CONNECT_PORT=2500"
)


def value_of(main: Path) -> str:
    (found,) = [row for row in main.read_text().splitlines() if row.startswith("import_env")]
    return found.partition(" = ")[2]


def test_a_missing_parameter_begins_with_postfixs_default(
    config_dir: Path, import_environment
) -> None:
    main = config_dir / "main.cf"
    before = main.read_bytes()
    checked = import_environment(check_mode=True, diff=True)
    assert main.read_bytes() == before
    result = import_environment(diff=True)
    assert checked["changed"], checked
    assert checked["diff"] == result["diff"]
    assert value_of(main).startswith("MAIL_CONFIG MAIL_DEBUG ")
    assert value_of(main).endswith(f" {VENDOR}")
    assert result["action"] == "restart"
    assert [one.split("=")[0] for one in result["wrong"]] == [
        "lacks LD_PRELOAD",
        "lacks TM_FOX_PROXY_LIST",
        "lacks LD_LIBRARY_PATH",
        "lacks TM_FOX_PROXY_CONNECT_PORT",
    ]


def test_a_second_run_changes_nothing(config_dir: Path, import_environment) -> None:
    main = config_dir / "main.cf"
    assert import_environment()["changed"]
    status = main.stat()
    result = import_environment(backup=True)
    assert (result["changed"], result["wrong"], result["action"]) == (False, [], "nothing")
    assert "backup_file" not in result
    assert (main.stat().st_ino, main.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)


def test_home_and_port_are_followed(config_dir: Path, import_environment) -> None:
    main = config_dir / "main.cf"
    import_environment()
    result = import_environment(imss_home="/data/imss", smtp_port=2600, backup=True)
    wanted = VENDOR.replace("/opt/trend/imss", "/data/imss").replace("2500", "2600")
    assert value_of(main).endswith(f" {wanted}")
    assert (
        "has TM_FOX_PROXY_CONNECT_PORT=2500 instead of TM_FOX_PROXY_CONNECT_PORT=2600"
        in result["wrong"]
    )
    assert VENDOR.encode() in (config_dir / result["backup_file"]).read_bytes()


def test_a_file_that_is_no_utf8_keeps_its_bytes(config_dir: Path, import_environment) -> None:
    main = config_dir / "main.cf"
    own = main.read_bytes() + b"# f\xfcr uns\nimport_environment = TM_FOX_PROXY_LIST=\xe4 A=\xf6\n"
    main.write_bytes(own)
    done = import_environment(diff=True)
    assert done["wrong"][1].startswith("has TM_FOX_PROXY_LIST=\ufffd instead of")
    assert "# f\ufffdr uns\n" in done["diff"]["after"]
    assert b"# f\xfcr uns\n" in main.read_bytes()
    assert b" A=\xf6 " in main.read_bytes()
    main.write_bytes(own + b"\xfc\n")
    assert "'\ufffd' is not of the form" in import_environment()["msg"]


def test_a_home_of_two_words_is_refused(config_dir: Path, import_environment) -> None:
    before = (config_dir / "main.cf").read_bytes()
    result = import_environment(imss_home="/opt/trend micro/imss")
    assert result["failed"]
    assert "/opt/trend micro/imss" in result["msg"]
    assert (config_dir / "main.cf").read_bytes() == before


def test_without_postfix_it_says_so(tmp_path: Path, import_environment) -> None:
    result = import_environment(config_dir=str(tmp_path / "none"))
    assert "is Postfix installed" in result["msg"]
