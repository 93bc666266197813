"""Which privileges root has in a virtual machine or container."""

import pytest

from ddpg import privileges


@pytest.mark.parametrize(
    ("user", "permitted", "lacks"),
    [(0, "000001ffffffffff", False), (0, "000001fffeffffff", True), (1000, "0" * 16, False)],
)
def test_root_lacks_capabilities(tmp_path, monkeypatch, user, permitted, lacks):
    (tmp_path / "status").write_text(f"Name:\tsh\nCapPrm:\t{permitted}\nCapEff:\t{permitted}\n")
    (tmp_path / "last").write_text("40\n")
    monkeypatch.setattr(privileges, "STATUS", tmp_path / "status")
    monkeypatch.setattr(privileges, "LAST", tmp_path / "last")
    monkeypatch.setattr(privileges.os, "geteuid", lambda: user)
    assert privileges.root_lacks_capabilities() == lacks
    (tmp_path / "last").unlink()
    assert not privileges.root_lacks_capabilities()
