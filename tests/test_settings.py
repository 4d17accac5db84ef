"""What a client may be told about its connections."""

import pathlib
import pickle
import ssl
from types import SimpleNamespace

import pytest

from ollamalite import errors
from ollamalite._settings import Settings, Timeout, authorization


def shape(timeout: Timeout):
    return timeout.connect, timeout.read, timeout.write, timeout.pool, timeout.total


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (None, None, None, None, None)),
        (5, (5, 5, 5, 5, None)),
        (0.5, (0.5, 0.5, 0.5, 0.5, None)),
        (float("inf"), (None, None, None, None, None)),
        # poll() takes no more than 2**31 ms, and wraps around beyond.
        (4294967.5, (None, None, None, None, None)),
        (10**400, (None, None, None, None, None)),
        (1e300, (None, None, None, None, None)),
        ((1, 2), (1, 2, None, None, None)),
        ([1, None], (1, None, None, None, None)),
        ((1, 2, 3, 4), (1, 2, 3, 4, None)),
        (SimpleNamespace(connect=1, read=2, write=3, pool=4), (1, 2, 3, 4, None)),
        (SimpleNamespace(connect=1, read=None), (1, None, None, None, None)),
        (SimpleNamespace(total=9), (None, None, None, None, 9)),
        (Timeout(7, connect=1, total=60), (1, 7, 7, 7, 60)),
        (Timeout(None, connect=1), (1, None, None, None, None)),
        (Timeout(3, read=None), (3, None, 3, 3, None)),
    ],
)
def test_a_timeout_is_read_in_every_form(value, expected) -> None:
    assert shape(Timeout.of(value)) == expected
    assert shape(Settings(timeout=value).timeout) == expected


@pytest.mark.parametrize(
    "value", [0, -1, True, float("nan"), "5", (1,), (1, 2, 3), (0, 1), (1, "x"), object(), {}, b"5"]
)
def test_a_timeout_that_makes_no_sense_is_refused(value) -> None:
    with pytest.raises(errors.RequestError):
        Timeout.of(value)


def test_timeouts_compare_and_show_by_value() -> None:
    assert Timeout(5, total=6) == Timeout(5, total=6) != Timeout(5)
    assert hash(Timeout(5)) == hash(Timeout(5))
    assert Timeout(5) != 5
    assert repr(Timeout(5, total=6)) == (
        "Timeout(connect=5.0, read=5.0, write=5.0, pool=5.0, total=6.0)"
    )


def test_settings_and_timeouts_survive_pickling() -> None:
    settings = Settings(timeout=Timeout(1, total=2), retries=3, verify=False, proxy="http://p:1")
    again = pickle.loads(pickle.dumps(settings))
    assert {name: getattr(again, name) for name in Settings.__slots__} == {
        name: getattr(settings, name) for name in Settings.__slots__
    }


def test_settings_show_no_credentials() -> None:
    assert "secret" not in repr(
        Settings(proxy="http://user:secret@proxy:1", cert=("c", "k", "secret"))
    )


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"verify": 1}, TypeError),
        ({"verify": None}, TypeError),
        ({"cert": 5}, TypeError),
        ({"cert": ("a", "b", "c", "d")}, TypeError),
        ({"cert": ()}, TypeError),
        ({"proxy": 5}, TypeError),
        ({"proxy": {"http": "x"}}, TypeError),
        ({"max_redirects": -1}, errors.RequestError),
        ({"max_redirects": "20"}, TypeError),
        ({"retries": -1}, errors.RequestError),
        ({"retries": True}, TypeError),
        ({"retries": 1.5}, TypeError),
        ({"max_connections": 0}, errors.RequestError),
        ({"max_head_size": 0}, errors.RequestError),
        ({"limits": 5}, errors.RequestError),
        ({"limits": SimpleNamespace(max_connections="x")}, TypeError),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(settings, error) -> None:
    with pytest.raises(error):
        Settings(**settings)


def test_paths_are_taken_as_paths() -> None:
    settings = Settings(verify=pathlib.Path("ca.pem"), cert=(pathlib.Path("c"), pathlib.Path("k")))
    assert settings.verify == "ca.pem"
    assert settings.cert == ("c", "k", None)
    assert Settings(cert="c").cert == ("c", None, None)
    assert Settings(cert=("c", None, "pw")).cert == ("c", None, "pw")


def test_a_context_of_the_caller_is_kept() -> None:
    context = ssl.create_default_context()
    assert Settings(verify=context).verify is context


def test_limits_are_read_by_their_shape() -> None:
    settings = Settings(limits=SimpleNamespace(max_connections=7, keepalive_expiry=2))
    assert settings.max_connections == 7
    assert settings.keepalive_expiry == 2.0
    settings = Settings(limits=SimpleNamespace(max_connections=None, keepalive_expiry=None))
    assert settings.max_connections is None
    assert settings.keepalive_expiry is None
    assert Settings(limits=SimpleNamespace(keepalive_expiry=0)).keepalive_expiry == 0


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (None, None),
        (("user", "pw"), "Basic dXNlcjpwdw=="),
        (["user", "pw"], "Basic dXNlcjpwdw=="),
        ((b"user", b"pw"), "Basic dXNlcjpwdw=="),
        (SimpleNamespace(_auth_header="Basic x"), "Basic x"),
        (SimpleNamespace(username="user", password="pw"), "Basic dXNlcjpwdw=="),
    ],
)
def test_auth_is_a_pair_or_an_object_like_one(auth, header) -> None:
    assert authorization(auth) == header


@pytest.mark.parametrize("auth", [(1, 2), ("user", None)])
def test_auth_with_other_things_than_text_is_refused(auth) -> None:
    with pytest.raises(TypeError, match="must hold str"):
        authorization(auth)


@pytest.mark.parametrize("auth", ["user:pw", ("user",), object(), lambda request: request])
def test_auth_of_another_kind_is_refused(auth) -> None:
    with pytest.raises(errors.RequestError, match="auth must be a pair"):
        authorization(auth)
