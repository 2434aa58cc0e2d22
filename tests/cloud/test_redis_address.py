"""What REDIS_URL may say, and what is said of what it may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.redis_address import Address, AddressError, Login, Node, missing_files, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", Address(kind="single", nodes=(Node("h", 6379),))),
        (
            "redis://u:p%40%2F%3a@h.example:7000/12",
            Address(kind="single", nodes=(Node("h.example", 7000),), login=Login("u", "p@/:"), database=12),
        ),
        ("redis://:p@[::1]:7000/", Address(kind="single", nodes=(Node("::1", 7000),), login=Login("", "p"))),
        (
            "redis://h?db=3&password=x%20y",
            Address(kind="single", nodes=(Node("h", 6379),), login=Login("", "x y"), database=3),
        ),
        (
            "rediss://h/0?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false",
            Address(kind="single", nodes=(Node("h", 6379),), is_tls=True, ca="/etc/ca.pem", is_named=False),
        ),
        (
            "rediss://h?ssl_cert_reqs=none&ssl_certfile=a&ssl_keyfile=b",
            Address(kind="single", nodes=(Node("h", 6379),), is_tls=True, is_verified=False, certificate="a", key="b"),
        ),
        (
            "redis+sentinel://u:p@h1,h2:26380,[::2]:1/the-master/4?sentinel_password=s",
            Address(
                kind="sentinel",
                nodes=(Node("h1", 26379), Node("h2", 26380), Node("::2", 1)),
                login=Login("u", "p"),
                master="the-master",
                database=4,
                sentinel_login=Login("", "s"),
            ),
        ),
        (
            "rediss+cluster://:p@h1,h2:7001/0",
            Address(kind="cluster", nodes=(Node("h1", 6379), Node("h2", 7001)), login=Login("", "p"), is_tls=True),
        ),
    ],
)
def test_what_it_may_say(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("canary", "redis://[user:password@]host"),
        ("redis:/h", "redis://[user:password@]host"),
        ("REDIS://h", "redis://[user:password@]host"),
        ("redis+proxy://canary@h", "redis://[user:password@]host"),
        ("redis://", "a port is a number from 1 to 65535"),
        ("redis://:canary@", "a port is a number from 1 to 65535"),
        ("redis://h:0", "a port is a number from 1 to 65535"),
        ("redis://h:70000", "a port is a number from 1 to 65535"),
        ("redis://:cana/ry@h", "written as %40 and the like"),
        ("redis://u:can@ary@h", "written as %40 and the like"),
        ("redis://u:canary#x@h", "redis://[user:password@]host"),
        ("redis://canary@h", "user:password@ or :password@ before the host"),
        ("redis://h1,h2", "several are for redis+sentinel:// and redis+cluster://"),
        ("redis://h/canary", "a database's number after the host"),
        ("redis://h/-1", "a database's number after the host"),
        ("redis://h/1/canary", "written as %2F and the like"),
        ("redis://h?canary=1", "of the options, db, password, username, each once"),
        ("redis://h?password=canary&password=canary", "each once"),
        ("redis://h?ssl_ca_certs=/canary", "rediss://… for options of TLS"),
        ("rediss://h?ssl_cert_reqs=canary", "ssl_cert_reqs required or none"),
        ("rediss://h?ssl_check_hostname=canary", "ssl_check_hostname true or false"),
        ("redis+sentinel://:canary@h1,h2", "/master, the name that the sentinels know it by"),
        ("redis+sentinel://h1/the%20canary", "/master, the name that the sentinels know it by"),
        ("redis+sentinel://h1/m/canary", "a database's number after the host"),
        ("redis+cluster://h1,h2/3", "a cluster has none but 0"),
        ("redis+cluster://h1?db=3", "of the options, password, username, each once"),
        ("redis+cluster://" + ",".join(["h"] * 33), "32 hosts at most"),
        ("redis://h\n", "redis://[user:password@]host"),
    ],
)
def test_what_it_may_not_say_is_told_without_it(url: str, right: str) -> None:
    with pytest.raises(AddressError) as error:
        parse(url)
    assert right in str(error.value)
    assert "cana" not in str(error.value)


@given(st.text(alphabet="redis+sntlclu:/@?&=%,.[]01x- \n", max_size=60))
def test_whatever_is_said_is_an_address_or_told_to_be_none(text: str) -> None:
    for url in (text, f"redis://{text}", f"redis+sentinel://h/{text}"):
        try:
            found = parse(url)
        except AddressError:
            continue
        assert found.nodes
        assert all(0 < node.port < 65536 for node in found.nodes)


def test_a_login_is_not_shown() -> None:
    assert "canary" not in repr(parse("redis+sentinel://u:canary@h/m?sentinel_password=canary"))


def test_files_that_are_missing_are_told() -> None:
    assert missing_files(parse(f"rediss://h?ssl_ca_certs={__file__}&ssl_certfile=/nowhere")) == ["/nowhere"]
