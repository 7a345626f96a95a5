"""A release is refused where version, changelog or wheel are not what they have to be."""

import zipfile
from pathlib import Path

import pytest

from tests.release import NotReady, missing_of, version_of

PROJECT = '[project]\nversion = "1.2.0"\n'
CHANGELOG = "# Changelog\n\n## 1.2.0 - 2026-12-01\n"


def test_the_version_is_the_one_on_which_all_agree() -> None:
    assert version_of(PROJECT, PROJECT, CHANGELOG) == "1.2.0"
    assert version_of(PROJECT, PROJECT, CHANGELOG.replace("1.2.0", "[1.2.0]")) == "1.2.0"


def test_distributions_of_two_versions_are_no_release() -> None:
    with pytest.raises(NotReady, match=r"differ: \['1\.2\.0', '1\.3\.0'\]"):
        version_of(PROJECT, PROJECT.replace("1.2.0", "1.3.0"), CHANGELOG)


@pytest.mark.parametrize("changelog", ["# Changelog\n", "## 1.2.0\n", "## 1x2.0 - 2026-12-01\n"])
def test_a_version_without_its_section_is_no_release(changelog: str) -> None:
    with pytest.raises(NotReady, match=r"no section '## 1\.2\.0 - YYYY-MM-DD'"):
        version_of(PROJECT, PROJECT, changelog)


def test_what_a_wheel_lacks_is_named(tmp_path: Path) -> None:
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as files:
        files.writestr("package/module.py", "")
    committed = ["package/module.py", "package/page.html"]
    assert missing_of(wheel, committed) == ["package/page.html", "licenses/LICENSE"]
    with zipfile.ZipFile(wheel, "a") as files:
        files.writestr("package/page.html", "")
        files.writestr("package-1.2.0.dist-info/licenses/LICENSE", "")
    assert missing_of(wheel, committed) == []
