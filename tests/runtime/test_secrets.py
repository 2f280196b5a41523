"""Credentials are taken out of text, and nothing else is."""

import pytest

from qlit.runtime.secrets import check_uri, has_credentials, remember, scrub, scrub_command

# Every secret consists of "wall" and "aby".
HOLDING = r"""
http://me:wallaby@host:5000/x
http://me:wall aby@host:5000/x
http://me:wall/aby@host:5000/x
http://me:wall@aby@host/x
http://me:wall%2Faby@host/x
http://me:wall?aby@host/x
http://me:wall#aby@host/x
http://me:wall'aby@host/x
http://me:5000wallaby@host
HTTPS://me:wallaby@host
http://wallaby@host/x
http://:wallaby@host/x
a http://me:wall aby@host and b
http://me:wallaby@host http://you:wallaby@other
("http://me:wallaby@host", 3)
postgresql+psycopg://me:wallaby@host/db
postgresql://me:wallaby@[::1]:5432/db
postgresql://host/db?user=me&password=wallaby
mysql+pymysql://root:wallaby@127.0.0.1:3306/mlflow?charset=utf8
http://host/x?token=wallaby
http://host/x?a=1&access_token=wallaby&b=2
http://host/x;token=wallaby
https://account.blob/x?sv=1&sig=wallaby%3D
http://host?key=wallaby
host=h user=me password=wallaby
host=h user=me password='wall aby' x=1
password="wall aby"
PGPASSWORD=wallaby psql
export MLFLOW_TRACKING_TOKEN=wallaby
AWS_SECRET_ACCESS_KEY=wallaby
Authorization: Bearer wallaby
{'Authorization': 'Basic wallaby=='}
curl -H "Authorization: Bearer wallaby"
Bearer wallaby12
Cookie: session_token=wallaby
x-api-key: wallaby
password: wall aby
  db_password: wallaby
passwd: 'wallaby'
- secret: "wall aby"
{"password": "wall aby", "x": 1}
{"password":"wall aby"}
{'password': 'wall aby'}
{password: wall aby, x: 1}
tracking: {token: wallaby}
hf_wallabywallabywallaby
"""
HARMLESS = r"""
mail me@host, see http://host/a@b
see http://host:5000/a, mail me@b
http://[::1]:5000/x@y
http://host:5000/#/experiments/1/runs/abc?workflowType=machine_learning
at http://localhost: connection refused, mail admin@host
["http://a","me@b"]
https://github.com/me/repo/blob/main/a@b.md?plain=1#L5
https://hub/x?revision=main&code_revision=abc
git@github.com:me/repo.git
sqlite:////tmp/x/mlruns/mlflow.db
mlflow ui --backend-store-uri sqlite:////tmp/x/mlflow.db --port 5000
the password is wrong
wrong password: try again
a secret santa and a token of love
Unexpected token: x
f(x, token=None), password=null
max_tokens: 128
num_tokens=5
pad_token: [PAD]
tokenizer: bert-base
data.text_column: token_text
password: null
password:
note: password protected
{"label": "good", "probability": 0.9}
key=value, keys: [a, b], sort_keys=True
monkey: banana
step 5, loss=0.31, code=200
signature of the function
Bearer of bad news
time 12:30 a@b
path/to/hf_model
qlit fit --config a.yaml --model.lr 0.01
"""


@pytest.mark.parametrize("text", HOLDING.strip().splitlines())
def test_no_part_of_a_secret_is_left(text):
    found = scrub(text)
    assert "***" in found
    assert "wall" not in found
    assert "aby" not in found
    assert scrub(found) == found
    assert has_credentials(text)


@pytest.mark.parametrize("text", HARMLESS.strip("\n").splitlines())
def test_ordinary_text_stays_as_it_is(text):
    assert scrub(text) == text


def test_what_stands_around_a_secret_stays():
    assert scrub("a: 1\npassword: x y\nb: 2\n") == "a: 1\npassword: ***\nb: 2\n"
    assert scrub('{"password": "x y", "a": 1}') == '{"password": ***, "a": 1}'
    assert scrub("cannot reach http://me:x@host:5000/api, see log") == "cannot reach http://***@host:5000/api, see log"
    assert scrub("http://host/x?token=a%20b&page=2 is gone") == "http://host/x?token=***&page=2 is gone"


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "PGPASSWORD", "HF_TOKEN", "MY_API_KEY", "aws_secret"])
def test_secrets_of_the_environment_are_found_in_every_form(monkeypatch, name):
    monkeypatch.setenv(name, 'wall/a "by"')
    for text in ('a wall/a "by" b', "wall%2Fa%20%22by%22", "wall%2Fa+%22by%22", '{"x": "wall/a \\"by\\""}'):
        assert "wall" not in scrub(text)


def test_a_short_secret_is_found_as_a_word(monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "wall")
    assert scrub("not wall, wallpaper") == "not ***, wallpaper"


def test_passwords_of_known_uris_are_found_where_they_stand_alone(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:wall%2Faby@host")
    remember("postgresql://me:kangaroo@host/db")
    assert scrub("wall/aby, wall%2Faby, kangaroo, roo") == "***, ***, ***, roo"


def test_a_command_holds_no_secret_and_can_be_read():
    words = ["qlit", "--password", "wall aby", "--x.token=wall aby", "--uri", "http://me:wall aby@host", "--lr", "0.1"]
    assert scrub_command(words) == "qlit --password '***' '--x.token=***' --uri 'http://***@host' --lr 0.1"


@pytest.mark.parametrize(
    "uri",
    ["http://me:wall/aby@host", "http://me:wall aby@host", "http://me:wall#aby@host:x", "http://me:a@", "http://h\n"],
)
def test_an_address_that_cannot_be_parsed_is_refused_without_being_shown(uri):
    with pytest.raises(ValueError, match=r"`tracking_uri` cannot be parsed as an address. .* %2F for a slash") as error:
        check_uri(uri, "tracking_uri")
    assert "wall" not in str(error.value)


@pytest.mark.parametrize(
    "uri", ["http://host:5000", "http://me:a%2Fb@[::1]:80/x", "postgresql://me@host/db", "postgresql:///db?host=/tmp"]
)
def test_other_addresses_are_accepted(uri):
    check_uri(uri, "tracking_uri")


@pytest.mark.parametrize(
    "text", ["a://" * 5000, "x" * 50_000 + ":=", "a-" * 25_000, "password" * 9000, '[{,"' * 20_000]
)
def test_long_text_takes_no_long_time(text):
    scrub(text)
