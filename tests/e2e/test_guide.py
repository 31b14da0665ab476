"""The guide: its pages show the files beside them, their links lead somewhere, and its gates are right and run."""

import re
import shutil
import subprocess

import pytest

from gate import ROOT, Gate, run_command

GUIDE = ROOT / "docs/guide"
PAGES = sorted(file.parent for file in GUIDE.glob("*/README.md"))
SECRETS = {name: f"a placeholder for {name}, long enough" for name in
           ("STAFF_SECRET", "LEGACY_SECRET", "GATE_SECRET", "SESSION_SECRET")}

on_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def shown_files(page):
    """Of blocks that begin with a file's name, that name and the rest."""
    return re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", (page / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_there_are_pages():
    assert len(PAGES) >= 9
    index = (GUIDE / "README.md").read_text()
    assert [page.name for page in PAGES if f"({page.name}/README.md)" not in index] == []


@on_every_page
def test_shows_its_own_files(page):
    shown = dict(shown_files(page))
    assert "gatehouse.yaml" in shown
    assert {path: (page / path).read_text() for path in shown} == shown


@pytest.mark.parametrize("file", sorted(GUIDE.rglob("*.md")), ids=lambda file: str(file.relative_to(GUIDE)))
def test_links_lead_somewhere(file):
    for target in re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", file.read_text()):
        path, anchor = file.parent / target[0], target[1]
        assert path.exists(), target
        assert not anchor or f"## {anchor}\n" in path.read_text(), target


@on_every_page
def test_is_right_and_tested(page):
    checked = run_command("check", page, environ=SECRETS)
    assert (checked.returncode, checked.stderr) == (0, "")
    tested = run_command("test", page, "--min-coverage", "100", environ=SECRETS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@on_every_page
def test_runs(page, tmp_path):
    folder = tmp_path / "gate"
    shutil.copytree(page, folder)
    settings = folder / "gatehouse.yaml"
    text = settings.read_text()
    assert '"127.0.0.1:8080"' in text
    settings.write_text(text.replace('"127.0.0.1:8080"', '"127.0.0.1:0"') + 'admin: { address: "127.0.0.1:0" }\n')
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", folder / "identity.pem"],
                   check=True, capture_output=True)
    gate = Gate(folder, environ=SECRETS)
    try:
        gate.start()
        # Nobody is behind it; what matters is that the gate has its say.
        assert gate.get("/", host="app.localhost").status in (401, 403, 404, 502)
    finally:
        if gate.process:
            gate.stop()
