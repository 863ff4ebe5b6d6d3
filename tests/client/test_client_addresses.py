"""How a project is named, and what is said about a name that is none."""

from __future__ import annotations

import pytest

from scenehub.client.address import address, addresses, http_url

WS = "ws://127.0.0.1:8787/v1/projects/launch/ws"


@pytest.mark.parametrize(
    ("url", "project"),
    [
        (WS, None),
        ("http://127.0.0.1:8787/p/launch", None),
        ("http://127.0.0.1:8787/p/launch/", None),
        ("http://127.0.0.1:8787", "launch"),
        ("127.0.0.1:8787/p/launch", None),
        (WS, "launch"),
    ],
)
def test_every_form_names_the_same_socket(url: str, project: str | None) -> None:
    assert address(url, project).url == WS


def test_https_becomes_wss_and_a_prefix_is_kept() -> None:
    assert address("https://hub.example/studio/p/x").url == "wss://hub.example/studio/v1/projects/x/ws"


@pytest.mark.parametrize(
    ("url", "project", "words"),
    [
        ("http://127.0.0.1:8787", None, "names no project"),
        ("ftp://127.0.0.1/p/x", None, "no address of a hub"),
        ("http://127.0.0.1/p/x", "y", "names the project x"),
        ("http://127.0.0.1", "a b", "no project id"),
    ],
)
def test_a_bad_address_is_refused_with_its_remedy(url: str, project: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        address(url, project)


def test_several_urls_are_nodes_of_one_hub() -> None:
    assert len(addresses(["http://a/p/x", "http://b/p/x"])) == 2
    with pytest.raises(ValueError, match="different projects"):
        addresses(["http://a/p/x", "http://b/p/y"])
    with pytest.raises(ValueError, match="at least one"):
        addresses([])


def test_the_http_side_of_a_socket_address() -> None:
    assert http_url(WS, "/v1/dev/token") == "http://127.0.0.1:8787/v1/dev/token"
