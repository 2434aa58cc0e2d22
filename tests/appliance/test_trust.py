"""Whose certificates are believed, on machines with authorities and on bare ones."""

import ssl
from pathlib import Path

import pytest

from appliance import trust


def paths(here: Path) -> ssl.DefaultVerifyPaths:
    """An OpenSSL that looks for everything under one directory."""
    return ssl.DefaultVerifyPaths(
        None, None, "SSL_CERT_FILE", str(here / "cert.pem"), "SSL_CERT_DIR", str(here / "certs")
    )


def test_the_systems_own_authorities_go_first(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("authorities")
    assert trust.find_roots(paths(tmp_path), {}) == ""


def test_a_directory_of_hashed_names_is_the_systems_too(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "002c0b4f.0").write_text("an authority")
    assert trust.find_roots(paths(tmp_path), {}) == ""


def test_authorities_are_found_where_other_systems_keep_them(tmp_path: Path) -> None:
    there = tmp_path / "ca-bundle.crt"
    there.write_text("authorities")
    assert trust.find_roots(paths(tmp_path), {}, (str(tmp_path / "none"), str(there))) == str(there)


def test_a_bare_machine_gets_those_that_came_with_the_program(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "README").write_text("nothing here yet")
    (tmp_path / "cert.pem").touch()
    found = trust.find_roots(paths(tmp_path), {}, ())
    assert found == trust.bundled()
    context = ssl.create_default_context(cafile=found)
    assert context.cert_store_stats()["x509_ca"] > 100


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_who_names_authorities_gets_no_others(tmp_path: Path, variable: str) -> None:
    assert trust.find_roots(paths(tmp_path), {variable: str(tmp_path / "mine")}, ()) == ""


def test_a_context_verifies() -> None:
    context = trust.context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_an_authority_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.pem").write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        trust.context(str(tmp_path / "mine.pem"))
    with pytest.raises(FileNotFoundError):
        trust.context(str(tmp_path / "none.pem"))
