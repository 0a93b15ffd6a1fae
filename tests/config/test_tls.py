"""The certificate and key of the listener: read once, judged before anything is forked."""

from __future__ import annotations

import pickle
import ssl
from pathlib import Path

import pytest
import trustme

from s4fw.cli.check import as_yaml
from s4fw.config import Config, ConfigErrors, parse
from s4fw.config.tls import Tls, listener_context

TEXT = "server: {tls: {cert: cert.pem, key: key.pem}}\nupstreams: {openai: {base_url: http://a}}\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    """A folder with a good pair."""
    write_pair(tmp_path, authority.issue_cert("localhost"))
    return tmp_path


def write_pair(folder: Path, leaf: trustme.LeafCert) -> None:
    (folder / "cert.pem").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    key = folder / "key.pem"
    key.write_bytes(leaf.private_key_pem.bytes())
    key.chmod(0o600)


def read(folder: Path) -> Config:
    return parse(TEXT, "s4fw.yaml", {}, folder)


def test_pair_travels_inside_the_configuration(folder: Path) -> None:
    """A worker builds from what the master judged, whatever became of the files since."""
    config = read(folder)
    (folder / "cert.pem").unlink()
    (folder / "key.pem").unlink()
    tls = pickle.loads(pickle.dumps(config)).server.tls
    assert isinstance(tls, Tls)
    context = listener_context(tls)
    assert ssl.TLSVersion.TLSv1_2 == context.minimum_version
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert not [n for n in names if not n.startswith(("TLS_", "ECDHE-")) or "CBC" in n]


def test_key_is_shown_to_nobody(folder: Path) -> None:
    """`check --print`, reprs and logs end up in tickets."""
    config = read(folder)
    shown = as_yaml(config) + repr(config)
    assert f"key: {folder}/key.pem" in shown
    assert "PRIVATE KEY" not in shown


@pytest.mark.parametrize(
    ("mode", "warns"), [(0o600, False), (0o640, False), (0o644, True), (0o660, True)]
)
def test_key_that_others_can_read_or_change_is_warned_of(
    folder: Path, mode: int, warns: bool
) -> None:
    """Who has the key can be the firewall."""
    (folder / "key.pem").chmod(mode)
    assert warns == any("key.pem" in warning for warning in read(folder).warnings)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("key.pem", None, "server.tls.key: names a file that cannot be read: No such file"),
        ("cert.pem", b"DER?", "server.tls.cert: names a file that is not in PEM form"),
        ("cert.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n", "server.tls: cannot be used"),
        ("key.pem", b"-----BEGIN PRIVATE KEY-----\nAAAA\n", "server.tls: cannot be used"),
    ],
)
def test_file_that_cannot_be_used_is_told(
    folder: Path, name: str, content: bytes | None, sentence: str
) -> None:
    """The start is refused with a sentence, not the first connection with an alert."""
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ConfigErrors, match=sentence):
        read(folder)


def test_key_of_another_certificate_is_told(folder: Path, authority: trustme.CA) -> None:
    """The usual mistake of a renewal: one of the two files is the old one."""
    key = authority.issue_cert("other").private_key_pem.bytes()
    (folder / "key.pem").write_bytes(key)
    with pytest.raises(ConfigErrors, match="does not belong to the certificate"):
        read(folder)


def test_key_with_a_password_is_told_without_asking(folder: Path) -> None:
    """A question on a terminal would hang the start."""
    from cryptography.hazmat.primitives import serialization as s

    plain = s.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    encrypted = plain.private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret")
    )
    (folder / "key.pem").write_bytes(encrypted)
    with pytest.raises(ConfigErrors, match="encrypted"):
        read(folder)


def test_reload_cannot_switch_tls_on(folder: Path) -> None:
    """Callers of an open port would meet another protocol: that is a restart."""
    plain = parse(TEXT.partition("\n")[2], "s4fw.yaml", {}, folder)
    changed = dict(read(folder).unreloadable()).items() - dict(plain.unreloadable()).items()
    assert {("server.tls", "on")} == changed
