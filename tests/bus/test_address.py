"""The forms of a Redis URL, and that its password stays where it belongs."""

from __future__ import annotations

import pytest

from scenehub.server.bus.address import Address

SECRET = "p%40ss:word"


@pytest.mark.parametrize(
    ("url", "shown", "credentials"),
    [
        ("redis://", "redis://localhost:6379", None),
        ("redis://h:1/0", "redis://h:1/0", None),
        (f"redis://u:{SECRET}@h:1", "redis://h:1", ("u", "p@ss:word")),
        (f"redis://:{SECRET}@h", "redis://h:6379", ("default", "p@ss:word")),
        (f"rediss://:{SECRET}@h:1?ssl_cert_reqs=none", "rediss://h:1", ("default", "p@ss:word")),
        (f"unix://:{SECRET}@/run/redis.sock", "unix:///run/redis.sock", ("default", "p@ss:word")),
        (
            f"redis+sentinel://u:{SECRET}@h:1,[::1]:2,i/main?sentinel_password=x",
            "redis+sentinel://h:1,[::1]:2,i:6379/main",
            ("u", "p@ss:word"),
        ),
        (f"rediss+cluster://u:{SECRET}@h:1,i:2", "rediss+cluster://h:1,i:2", ("u", "p@ss:word")),
    ],
)
def test_a_url_is_read_and_shown_without_its_password(
    url: str, shown: str, credentials: tuple[str, str] | None
) -> None:
    address = Address(url)
    assert str(address) == shown
    assert address.credentials == credentials


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"http://:{SECRET}@h", "begins with one of redis://"),
        (f"redis+sentinel://:{SECRET}@h:1", "names no master"),
        (f"redis://:{SECRET}@h?colour=red", "colour"),
        (f"redis://:{SECRET}@h:70000", "no HOST:PORT"),
        (f"redis+cluster://:{SECRET}@h:1,i:x", "no HOST:PORT"),
    ],
)
def test_a_url_that_means_no_redis_is_refused_in_words_without_its_password(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refusal:
        Address(url)
    assert "ss:w" not in str(refusal.value)
