"""Every planted secret is found, by what is found and where; what is clean passes; nothing that was found is shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from vcr.request import Request

from fra.testkit.cassettes import VENUES, CassetteLeaks, Privacy, Scrubber, lint
from fra.testkit.cassettes.fields import Fields, dump

SECRET = "pl4nted-s3cret-value"
HEX = "0a1b2c3d" * 8
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOjc3MDAxMjM0fQ.c2lnbmF0dXJl"
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
ACCOUNT = "77001234"


def write(folder: Path, *, uri="http://venue.invalid/time", headers=None, body=None, answer=None, more=None) -> Path:
    """A cassette of one interaction, as vcrpy writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    request = {"method": "GET", "uri": uri, "headers": headers or {}, "body": body}
    response = {"status": {"code": 200}, "headers": more or {}, "body": {"string": answer or '{"time": 1}'}}
    path = folder / "rest.yaml"
    path.write_text(yaml.safe_dump({"interactions": [{"request": request, "response": response}], "version": 1}))
    return path


CLEAN = {
    "a public question": {"uri": "http://venue.invalid/book?symbol=BTCUSDT&limit=5"},
    "what was scrubbed": {
        "uri": "http://venue.invalid/accounts/0/balance?signature=scrubbed&timestamp=scrubbed",
        "headers": {"X-MBX-APIKEY": ["scrubbed"], "Authorization": ["scrubbed"]},
        "body": '{"apiKey": "scrubbed", "args": []}',
        "answer": '{"uid": 0, "label": "", "token": null, "isSigned": true, "keys": []}',
    },
    "orders by their ids": {
        "body": '{"clOrdId": "e847386590ce4dBC5c3a1d0b9f7e2a64", "px": "0.1"}',
        "answer": '{"orderId": "1700000000000123456", "tradeId": "6f9619ff-8b86-d011-b42d-00c04fc964ff"}',
    },
    "a wide answer": {"answer": json.dumps([{"symbol": f"A{n}USDT", "price": f"{n}.50"} for n in range(50)])},
}

PLANTED = {
    "a key in a header": ({"headers": {"X-MBX-APIKEY": [SECRET]}}, "request 1, header X-MBX-APIKEY"),
    "a passphrase in a header": ({"headers": {"KC-API-PASSPHRASE": SECRET}}, "request 1, header KC-API-PASSPHRASE"),
    "a login": ({"headers": {"X-Login": ["Bearer abcdefgh1234"]}}, "a login"),
    "a cookie": ({"more": {"Set-Cookie": ["session=1"]}}, "answer 1, header Set-Cookie"),
    "a signature in the query": (
        {"uri": "http://venue.invalid/o?symbol=A&signature=abc"},
        "request 1, parameter signature",
    ),
    "a signature of another name": ({"uri": "http://venue.invalid/o?sig=abc"}, "request 1, parameter sig"),
    "a digest of no name": ({"uri": f"http://venue.invalid/o?h={HEX}"}, "a signature in hex"),
    "a digest in base64": (
        {"uri": "http://venue.invalid/o?h=YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY%3D"},
        "a signature in base64",
    ),
    "an account in the path": ({"uri": f"http://venue.invalid/accounts/{ACCOUNT}/balance"}, "an account"),
    "a listen key in the path": ({"uri": f"http://venue.invalid/ws/{KEY}"}, "request 1, the address"),
    "a login in the address": ({"uri": "http://me:word@venue.invalid/time"}, "a login in an address"),
    "a key in a form": ({"body": f"symbol=A&AccessKeyId={SECRET}"}, "field AccessKeyId"),
    "a key in a JSON body": ({"body": '{"args": [{"apiKey": "k"}]}'}, "field apiKey"),
    "a key in a body of bytes": ({"body": b'{"args": [{"apiKey": "k"}]}'}, "field apiKey"),
    "a key in JSON in JSON": ({"body": json.dumps({"p": json.dumps({"apiKey": "k"})})}, "field apiKey"),
    "a key whose name is spelt with escapes": ({"body": '{"api\\u004bey": "k"}'}, "field apiKey"),
    "a key in a list": ({"answer": '{"keys": [{"a": 1}, "k"]}'}, "field keys"),
    "an account as a number": ({"answer": f'{{"data": [{{"user-id": {ACCOUNT}}}]}}'}, "field user-id"),
    "an account as a text": ({"answer": f'{{"memberId": "{ACCOUNT}"}}'}, "field memberId"),
    "an address of the net": ({"answer": '{"ips": ["203.0.113.7"]}'}, "field ips"),
    "a mail address": ({"answer": '{"who": "me@example.com"}'}, "a mail address"),
    "a login token": ({"answer": f'{{"session": "{JWT}"}}'}, "a login token"),
    "a key of no name": ({"answer": f'{{"value": "{KEY}"}}'}, "a key"),
    "a key as a field's name": ({"answer": f'{{"{KEY}": 1}}'}, "a field's name"),
    "a short key in a request": ({"body": '{"v": "6d5f1c0a9b8e7d6c5b4a392817161514"}'}, "a key or a signature"),
    "a private key": ({"answer": "-----BEGIN EC PRIVATE KEY-----"}, "a private key"),
    "bytes that are no text": ({"answer": b"\xff\xfe\x00"}, "cannot be checked"),
}


@pytest.mark.parametrize("parts", CLEAN.values(), ids=CLEAN)
def test_what_is_clean_passes(parts: dict[str, object], tmp_path: Path) -> None:
    assert lint(write(tmp_path, **parts), Privacy()) == []


@pytest.mark.parametrize(("parts", "place"), PLANTED.values(), ids=PLANTED)
def test_a_planted_secret_is_found_and_not_shown(parts: dict[str, object], place: str, tmp_path: Path) -> None:
    found = "\n".join(map(str, lint(write(tmp_path, **parts), Privacy())))
    assert place in found
    for planted in (SECRET, HEX, JWT, ACCOUNT, KEY, "203.0.113.7", "me@example.com"):
        assert planted not in found


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", ["credentials", "account"])
def test_every_private_name_of_a_venue_is_found_where_it_stands_and_scrubbed_there(
    venue: str, kind: str, tmp_path: Path
) -> None:
    names = getattr(VENUES[venue], kind)
    query = urlencode([("symbol", "A"), *((name, "k3y") for name in names)])
    parts = {
        "uri": f"http://venue.invalid/order?{query}",
        "headers": {name: ["k3y"] for name in names},
        "body": query,
        "answer": json.dumps({"data": [{name: "k3y", "price": 1} for name in names]}),
        "more": {name: ["k3y"] for name in names},
    }
    found = "\n".join(map(str, lint(write(tmp_path, **parts), Privacy())))
    for name in names:
        for place in (f"request 1, parameter {name}:", f"header {name}:", f"the body, field {name}:"):
            assert place in found
    scrubber = Scrubber(Privacy())
    request = scrubber.request(Request("POST", parts["uri"], query, dict.fromkeys(names, "k3y")))
    answer = scrubber.response({"headers": parts["more"], "body": {"string": parts["answer"].encode()}})
    kept = write(
        tmp_path,
        uri=request.uri,
        headers=dict(request.headers),
        body=request.body,
        answer=answer["body"]["string"],
        more=answer["headers"],
    )
    assert lint(kept, Privacy()) == []
    assert "k3y" not in kept.read_text()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([SECRET, HEX, KEY, "BTC", "", "0"])
NAMES = st.sampled_from(["apiKey", "uid", "account-id", "keys", "symbol", "price", "data", 'a"b', KEY])
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(st.tuples(NAMES, inner), max_size=3).map(lambda pairs: dump(Fields(pairs))).map(json.loads)
        | inner.map(json.dumps)
    ),
    max_leaves=12,
)


@given(value=JSON)
@settings(max_examples=60, deadline=None)
def test_what_the_filter_has_been_over_is_clean(value: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = json.dumps({"answer": value}).encode()
    kept = Scrubber(Privacy()).response({"headers": {}, "body": {"string": text}})["body"]["string"]
    assert lint(write(tmp_path_factory.mktemp("drawn"), answer=kept), Privacy()) == []
    json.loads(kept)


@pytest.mark.parametrize("parts", [{"answer": '{"remark": "it is x9!k"}'}, {"headers": {"A": [SECRET]}}])
def test_a_known_value_is_found_wherever_it_stands(parts: dict[str, object], tmp_path: Path) -> None:
    path = write(tmp_path, **parts)
    assert lint(path, Privacy()) == []
    (finding,) = {finding.what for finding in lint(path, Privacy(values=[SECRET, "it is x9!k"]))}
    assert finding == "a known secret"


def test_the_values_of_variables_that_are_named_like_secrets_are_known(tmp_path: Path) -> None:
    privacy = Privacy.from_environment({"KRAKEN_API_SECRET": SECRET, "KRAKEN_URL": "http://venue.invalid"})
    assert {finding.what for finding in lint(write(tmp_path, headers={"A": [SECRET]}), privacy)} == {"a known secret"}
    assert SECRET not in repr(privacy)


@pytest.mark.parametrize("text", ["a: [", "a: 1", "interactions: [1]", "interactions: [{request: {}, response: 1}]"])
def test_what_cannot_be_read_as_a_cassette_is_never_called_clean(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rest.yaml"
    path.write_text(text)
    assert lint(path, Privacy())


# --- for nothing: pytest and a command


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_pytest_checks_every_cassette_that_it_meets(tmp_path: Path) -> None:
    write(tmp_path / "cassettes")
    write(tmp_path / "private" / "cassettes", headers={"X-MBX-APIKEY": [SECRET]})
    write(tmp_path / "own" / "cassettes", answer='{"holder": "me"}')
    write(tmp_path / "elsewhere", headers={"X-MBX-APIKEY": [SECRET]})
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nfra_private_names = ['holder']\n")
    done = run("pytest", "-p", "no:cacheprovider", folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 1 passed" in done.stdout
    assert "header X-MBX-APIKEY" in done.stdout
    assert "field holder" in done.stdout
    assert SECRET not in done.stdout
    assert "Traceback" not in done.stdout


def test_the_command_lints_files_and_folders_and_its_exit_code_says_whether_all_are_clean(tmp_path: Path) -> None:
    path = write(tmp_path / "cassettes")
    assert run("fra.testkit.cassettes", ".", folder=tmp_path).returncode == 0
    write(tmp_path / "cassettes", headers={"X-MBX-APIKEY": [SECRET]})
    done = run("fra.testkit.cassettes", str(path), folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.strip() == f"{path}: request 1, header X-MBX-APIKEY: is private and was not scrubbed"
    empty = tmp_path / "tapes"
    empty.mkdir()
    done = run("fra.testkit.cassettes", "nowhere", str(empty), folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "nowhere: there is no such file",
        f"{empty}: there is no cassette in it (YAML or JSON below a folder called `cassettes`)",
    ]


def test_what_cannot_be_read_is_not_called_private(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("interactions: [")
    told = str(CassetteLeaks(lint(path)))
    assert told.startswith("nobody knows what a cassette holds:")
    assert "keep other files out" in told
    path.write_text("interactions:\n- request: {uri: 'https://a.example/?signature=abc'}\n  response: {}\n")
    assert str(CassetteLeaks(lint(path))).startswith("a cassette holds what is private:")
