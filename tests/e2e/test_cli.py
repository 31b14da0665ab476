"""The commands besides `run`: their answers, `--json`, and exit statuses 0 (good), 1 (the answer is no) and
2 (wrong usage)."""

import json
import subprocess
import time

import jsonschema
import pytest
import yaml

import wire
from backend import unused_port
from gate import BINARY, IS_SANITIZED, ROOT, run_command, wait_until, write_files
from tokens import Issuer

ISSUER = Issuer()

FILES = {
    "gatehouse.yaml": """\
listen:
  - address: ":8080"
providers:
  partners:
    jwt: { issuer: "https://id.partner.example", audience: [orders], jwks: "${partner_jwks}", algorithms: [RS256] }
""",
    "services/orders.yaml": """\
match: { host: api.example.com, path: /orders }
forward: { to: "${orders_backend}" }
access:
  - name: health is public
    allow: anyone
    on: GET /orders/health
  - name: partners read
    allow: { provider: partners, scopes: [orders:read] }
    on: GET /orders/**
tests:
  - GET /orders/health -> allow by "health is public"
  - { as: { provider: partners, scopes: [orders:read] }, request: GET /orders/1, expect: allow }
  - { as: { provider: partners, scopes: [orders:read] }, request: POST /orders/1, expect: deny }
""",
    "environments/local.yaml": "orders_backend: [127.0.0.1:9001]\npartner_jwks: { file: jwks.json }\n",
    "environments/production.yaml": "orders_backend: [orders.internal:80]\npartner_jwks: { file: jwks.json }\n",
}



class Yaml12Loader(yaml.SafeLoader):
    """As YAML 1.2 reads it, and so the gate: `on` is a word, not a boolean."""


Yaml12Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def load_yaml(path):
    return yaml.load(path.read_text(), Yaml12Loader)


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path / "gate", {**FILES, "jwks.json": ISSUER.jwks(["RS256"])})
    return tmp_path / "gate"


def edit(folder, path, old, new):
    text = (folder / path).read_text()
    assert old in text
    (folder / path).write_text(text.replace(old, new))


# --- check -----------------------------------------------------------------------------------------------------


def test_check_of_a_good_gate(folder):
    done = run_command("check", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run_command("check", folder, "--json").returncode == 0


def test_check_reports_everything_with_its_place(folder):
    edit(folder, "services/orders.yaml", "    allow: anyone", "    alow: anyone")
    edit(folder, "services/orders.yaml", "forward: { to:", "forward: { too:")
    done = run_command("check", folder)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "services/orders.yaml:5:5" in text and "services/orders.yaml:2:12" in text
    assert "alow" in text and "allow" in text and "`to`" in text or "'to'" in text or '"to"' in text
    found = json.loads(run_command("check", folder, "--json").stdout)
    found = found if isinstance(found, list) else found["diagnostics"]
    places = {(d["file"], d["line"], d["column"]) for d in found}
    assert {("services/orders.yaml", 5, 5), ("services/orders.yaml", 2, 12)} <= places


def test_check_points_at_a_bad_key_set(folder):
    (folder / "jwks.json").write_text('{"keys": [{"kty": "RSA", "kid": "a"}]}')
    outcome = run_command("check", folder)
    assert outcome.returncode == 1
    assert "gatehouse.yaml:5:76: error: providers.partners.jwt.jwks: the key set in jwks.json cannot be used" \
        in outcome.stderr
    assert 'key 1 (kid "a")' in outcome.stderr


def test_check_finds_a_value_missing_in_production(folder):
    edit(folder, "environments/production.yaml", "orders_backend: [orders.internal:80]\n", "")
    done = run_command("check", folder)
    assert done.returncode == 1
    assert "production" in done.stdout + done.stderr and "orders_backend" in done.stdout + done.stderr


def test_check_names_both_places_of_a_conflict(folder):
    write_files(folder, {"services/thief.yaml":
                         "match: { host: api.example.com, path: /orders }\nforward: { to: \"${orders_backend}\" }\n"
                         "access: [{ allow: anyone }]\n"})
    done = run_command("check", folder)
    text = done.stdout + done.stderr
    assert done.returncode == 1 and "services/orders.yaml:1" in text and "services/thief.yaml:1" in text


def test_gate_file_may_only_deny(folder):
    edit(folder, "gatehouse.yaml", "providers:", "access: [{ allow: anyone }]\nproviders:")
    assert run_command("check", folder).returncode == 1


def test_a_trusted_proxy_of_everything_is_refused(folder):
    edit(folder, "gatehouse.yaml", '- address: ":8080"', '- { address: ":8080", trusted_proxies: [0.0.0.0/0] }')
    done = run_command("check", folder)
    assert done.returncode == 1 and "gatehouse.yaml:2" in done.stdout + done.stderr


def test_run_refuses_a_broken_gate_file(folder):
    (folder / "gatehouse.yaml").write_text("listen: 1\n")
    done = run_command("run", folder)
    assert done.returncode in (1, 2) and "gatehouse.yaml:1:9" in done.stderr


# --- test ------------------------------------------------------------------------------------------------------


def test_access_tests_pass_and_show_coverage(folder):
    done = run_command("test", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3" in done.stdout
    assert run_command("test", folder, "--min-coverage", "100").returncode == 0
    json.loads(run_command("test", folder, "--json").stdout)


def test_a_failing_access_test_names_its_rule(folder):
    edit(folder, "services/orders.yaml", "request: POST /orders/1, expect: deny", "request: GET /orders/1, expect: deny")
    done = run_command("test", folder)
    text = done.stdout + done.stderr
    assert done.returncode == 1
    assert "services/orders.yaml:13" in text and "services/orders.yaml:7:5" in text


def test_rules_no_test_reaches_are_named(folder):
    edit(folder, "services/orders.yaml", "tests:",
         "  - { name: forgotten, allow: { provider: partners, groups: [x] } }\ntests:")
    done = run_command("test", folder)
    assert done.returncode == 0 and "forgotten" in done.stdout + done.stderr
    assert run_command("test", folder, "--min-coverage", "100").returncode == 1


# --- explain ---------------------------------------------------------------------------------------------------

HEALTH = "http://api.example.com/orders/health"
ORDER = "http://api.example.com/orders/1"


@pytest.mark.parametrize("arguments, status, said", [
    (["GET", HEALTH], 0, "health is public"),
    (["GET", ORDER], 1, "partners read"),
    (["GET", ORDER, "--as", "provider=partners sub=alice scopes=orders:read"], 0, "partners read"),
    (["GET", ORDER, "--as", "provider=partners scopes=other"], 1, "orders:read"),
    (["POST", ORDER, "--as", "provider=partners scopes=orders:read"], 1, "partners read"),
    (["GET", "http://api.example.com/nothing"], 1, "no_route"),
    (["TRACE", HEALTH], 1, "TRACE is refused"),
    (["GET", HEALTH, "--header", "Expect: 200-ok"], 1, "expectation_failed"),
    (["GET", HEALTH, "--header", "Content-Length: 12GiB"], 1, "http_request_error"),
    (["GET", HEALTH, "--header", "X-Long: " + "x" * 70_000], 1, "request_head_too_large"),
    (["GET", ORDER, "--token", ISSUER.token(scope="orders:read")], 0, "partners read"),
    (["GET", ORDER, "--token", ISSUER.token(aud="other", scope="orders:read")], 1, "credential_invalid"),
])
def test_explain(folder, arguments, status, said):
    done = run_command("explain", folder, *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout, done.stdout
    as_json = run_command("explain", folder, *arguments, "--json")
    assert as_json.returncode == status
    assert json.loads(as_json.stdout)["verdict"] == ("allow" if status == 0 else "deny")


def test_explain_points_at_the_rule(folder):
    assert "services/orders.yaml:4:5" in run_command("explain", folder, "GET", HEALTH).stdout


def test_explain_says_where_people_log_in():
    arguments = ["explain", ROOT / "examples/login", "GET", "https://portal.localhost/orders"]
    browser = [*arguments, "--header", "Accept: text/html"]
    assert "sent to log in with staff or customers\n" in run_command(*browser).stdout
    assert json.loads(run_command(*browser, "--json").stdout)["login"] == ["staff", "customers"]
    assert "log in" not in run_command(*arguments).stdout


# --- keys ------------------------------------------------------------------------------------------------------


def test_keys(folder):
    edit(folder, "gatehouse.yaml", "providers:", "providers:\n  robots: { api_keys: { file: keys.yaml } }")
    arguments = ["--provider", "robots", "--owner", "ci", "--scopes", "a,b", "--groups", "g"]
    done = run_command("keys", "new", folder, *arguments)
    assert done.returncode == 0, done.stderr
    key = next(word for word in done.stdout.split() if word.startswith("gh_"))
    text = (folder / "keys.yaml").read_text()
    entry, = yaml.safe_load(text)["keys"]
    assert entry["owner"] == "ci" and entry["scopes"] == ["a", "b"] and entry["groups"] == ["g"]
    assert entry["digest"].startswith("sha256:") and len(entry["digest"]) == 7 + 64
    assert key not in text and (folder / "keys.yaml").stat().st_mode & 0o077 == 0
    listed = run_command("keys", "list", folder, "--provider", "robots")
    assert entry["id"] in listed.stdout and key not in listed.stdout
    assert run_command("keys", "revoke", folder, "--provider", "robots", entry["id"]).returncode == 0
    assert run_command("keys", "revoke", folder, "--provider", "robots", "nobody").returncode in (1, 2)
    assert entry["id"] not in (folder / "keys.yaml").read_text()
    assert run_command("check", folder).returncode == 0


# --- schema ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, path", [("gate", "gatehouse.yaml"), ("service", "services/orders.yaml"),
                                        ("environment", "environments/local.yaml")])
def test_schemas_accept_what_the_loader_accepts(folder, kind, path):
    schema = json.loads(run_command("schema", kind).stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    document = load_yaml(folder / path)
    assert list(validator.iter_errors(document)) == []
    if kind != "environment":
        assert list(validator.iter_errors({**document, "unknown_key": 1})) != []
    for example in ROOT.glob("examples/*/" + path):
        assert list(validator.iter_errors(load_yaml(example))) == []


def test_schema_of_keys():
    schema = json.loads(run_command("schema", "keys").stdout)
    assert list(jsonschema.Draft202012Validator(schema).iter_errors({"keys": []})) == []


# --- echo, version, usage --------------------------------------------------------------------------------------


def test_echo():
    port = unused_port()
    process = subprocess.Popen([BINARY, "echo", "--name", "shop", "--address", f"127.0.0.1:{port}"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        def answers():
            try:
                return wire.fetch(port, "POST", "/a?b", {"X-Mine": "1"}, b"hello")
            except OSError:
                return None

        answer = wait_until(answers, "the echo")
        assert answer.status == 200
        for part in (b"shop", b"/a", b"POST", b"hello"):
            assert part in answer.body, answer
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_version():
    done = run_command("version")
    assert done.returncode == 0 and "0." in done.stdout
    assert "version" in json.loads(run_command("version", "--json").stdout)


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["check", "--nonsense"], ["explain"], ["schema", "nonsense"], ["check", "/no/such/folder"],
    ["test", "/no/such/folder"], ["keys", "new"],
])
def test_wrong_usage(arguments):
    done = run_command(*arguments)
    assert done.returncode == 2, done
    assert done.stderr and not done.stdout.startswith("{")


@pytest.mark.parametrize("arguments, said", [
    (["chekc"], "did you mean `check`?"),
    (["keys", "nwe"], "did you mean `new`?"),
    (["run", "--evn", "x"], "gatehouse run: there is no option `--evn`; did you mean `--env`?"),
    (["keys", "new", "--owner"], "--owner needs a value"),
    (["test", "--min-coverage", "lots"], "from 0 to 100"),
    (["explain", "get", "http://api.example.com/"], "in capitals"),
    (["run", "/no/such/folder"], "there is no folder /no/such/folder"),
])
def test_wrong_usage_names_what_is_wrong(arguments, said):
    done = run_command(*arguments)
    assert done.returncode == 2 and said in done.stderr, done


def test_keys_of_the_only_provider_need_no_name(folder):
    write_files(folder, {"gatehouse.yaml": "listen: [{ address: \":8080\" }]\nproviders:\n"
                                           "  robots: { api_keys: { file: keys.yaml } }\n"})
    made = run_command("keys", "new", folder, "--owner", "me")
    assert made.returncode == 0 and made.stdout.startswith("gh_"), made
    assert "me" in run_command("keys", "list", folder).stdout
    write_files(folder, {"gatehouse.yaml": "listen: [{ address: \":8080\" }]\nproviders:\n"
                                           "  robots: { api_keys: { file: keys.yaml } }\n"
                                           "  others: { api_keys: { file: other-keys.yaml } }\n"})
    unclear = run_command("keys", "list", folder)
    assert unclear.returncode == 2 and "robots" in unclear.stderr and "others" in unclear.stderr, unclear


@pytest.mark.parametrize("arguments", [["help"], ["help", "run"], ["--version"]])
def test_habits_of_other_commands_work(arguments):
    assert run_command(*arguments).returncode == 0


def test_what_is_no_readable_file_is_told(folder):
    (folder / "services/folder.yaml").mkdir()
    (folder / "services/link.yaml").symlink_to("/no/such/file")
    done = run_command("check", folder)
    assert done.returncode == 1
    assert "services/folder.yaml:1:1: error: the file is not a regular file" in done.stderr
    assert "services/link.yaml:1:1: error: the file is a link to a file that does not exist" in done.stderr


def test_unknown_environment(folder):
    done = run_command("check", folder, "--env", "nowhere")
    assert done.returncode in (1, 2) and "nowhere" in done.stderr + done.stdout


@pytest.mark.parametrize("command", ["run", "check", "test", "explain", "keys", "schema", "echo", "version"])
def test_help_has_an_example(command):
    done = run_command(command, "--help")
    assert done.returncode == 0 and f"gatehouse {command}" in done.stdout


def test_shop_example():
    shop = ROOT / "examples/shop"
    for command in ("check", "test"):
        done = run_command(command, shop)
        assert done.returncode == 0, done.stdout + done.stderr
    assert run_command("test", shop, "--min-coverage", "100").returncode == 0


def test_check_of_a_thousand_services_ends(folder):
    for number in range(100 if IS_SANITIZED else 1000):
        write_files(folder, {f"services/s{number}.yaml":
                             f"match: {{ path: /s{number} }}\nforward: {{ to: \"${{orders_backend}}\" }}\n"
                             "access: [{ allow: anyone }]\n"})
    began = time.monotonic()
    assert run_command("check", folder, timeout=120).returncode == 0
    print(f"checked in {time.monotonic() - began:.2f} s")
