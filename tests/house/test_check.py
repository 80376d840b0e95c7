"""script/check is clean: ruff, its format, mypy, import-linter, djlint, Django's checks, migrations."""

import subprocess

import pytest

from tests.house.tree import ROOT

pytestmark = pytest.mark.house


def test_script_check_has_no_findings() -> None:
    done = subprocess.run(["script/check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
