import re
import subprocess
from pathlib import Path

import pytest
from wayfarer_core.provenance import UNKNOWN, commit


def test_the_commit_is_the_source_tree_s() -> None:
    commit.cache_clear()
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    if head.returncode:
        assert commit() == UNKNOWN  # an unpacked archive
    else:
        assert re.fullmatch(r"[0-9a-f]{7,}\+?", commit())
        assert head.stdout.startswith(commit().rstrip("+"))


def test_without_git_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    commit.cache_clear()
    assert commit() == UNKNOWN
    commit.cache_clear()
