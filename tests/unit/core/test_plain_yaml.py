"""YAML that somebody else may have written.

What hostile and damaged files cost, and what is said of them.
"""

import contextlib
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import DataError
from wayfarer_core.plain_yaml import parse, read

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 20)
)
MERGES = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 9)}]}}\n" for k in range(1, 20)
)


def test_plain_values_are_read_and_dates_stay_text() -> None:
    text = b"\xef\xbb\xbfa: [1, 2.5, yes, null]\nb: {c: 2026-01-02, d: &d [x], e: *d}\n"
    assert parse(text) == {
        "a": [1, 2.5, True, None],
        "b": {"c": "2026-01-02", "d": ["x"], "e": ["x"]},
    }
    assert parse("") is None


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**64), 2**64)
        | st.floats(allow_nan=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_what_was_dumped_reads_back(content: object) -> None:
    assert parse(yaml.safe_dump(content)) == content


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ALIASES, "more than 1000000 values"),
        (MERGES, "more than 1000000 values"),
        ("a: &a [*a]", "the value 'a' holds itself"),
        ("[" * 100_000 + "]" * 100_000, "more than 64 lists or mappings"),
        ("- " * 50_000, "more than 64 lists or mappings"),
        ("a: " + "9" * 5000, "a whole number has 5000 digits"),
        ("a: 0x" + "f" * 100_000, "a whole number has 100002 digits"),
        ("a: !!set {b, c}", "line 1 holds a value of the kind 'set'"),
        ("a: !!binary xx", "of the kind 'binary'"),
        ("a: !!timestamp b\nc: [", "expected"),
        ("a: !!int b", "invalid literal"),
        ("? [a, b]\n: 3", "unhashable key"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("\x00", "control characters are not allowed"),
        (b"a: \xff", "byte 3 is not UTF-8"),
        (b"\xff\xfea\x00", "byte 0 is not UTF-8"),
    ],
)
def test_what_is_hostile_or_damaged_costs_little_and_is_one_error_in_one_line(
    text: str | bytes, words: str
) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=words) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert time.process_time() - began < 2.0


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse(content)


def test_a_file_is_named_in_its_error(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    with pytest.raises(DataError, match=rf"cannot read {file}: No such file"):
        read(file)

    file.write_bytes(b"a: \xff")
    with pytest.raises(DataError, match=rf"cannot read {file}: byte 3 is not UTF-8"):
        read(file)

    file.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n")
    with pytest.raises(
        DataError, match=rf"{file} is a Git LFS pointer and not the file itself: `git lfs pull`"
    ):
        read(file)
