"""Certificates of authorities that live for a test, made by the program `openssl`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

HOSTS = "IP:127.0.0.1,DNS:localhost"
_DAYS = 2
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, in PEM; `both` is one file with the two."""

    cert: Path
    key: Path

    @property
    def both(self) -> Path:
        return self.cert.with_suffix(".both.pem")

    def locked(self, passphrase: str) -> Path:
        """Its key once more, in a file that only the passphrase opens."""
        path = self.key.with_suffix(".locked.key")
        _openssl(
            *("pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", self.key, "-out", path),
            *("-passout", f"pass:{passphrase}"),
        )
        return path


class Authority:
    """A certificate authority: `cert` is what clients trust."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = folder / f"{name}.key"
        self.cert = folder / f"{name}.pem"
        _openssl(
            *("req", "-x509", *_KEY, "-days", _DAYS, "-subj", f"/CN={name}"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", self._key, "-out", self.cert),
        )

    def issue(self, name: str, *, hosts: str = HOSTS, days: int = _DAYS) -> Certificate:
        """A certificate with the common name `name`, for servers and clients.

        `hosts` are the names that it is good for, as openssl writes them. With `days` below 0 it
        has expired.
        """
        stem = self._folder / f"{self.cert.stem}-{name}{'' if days > 0 else '-expired'}"
        made = Certificate(Path(f"{stem}.pem"), Path(f"{stem}.key"))
        request, extensions = Path(f"{stem}.csr"), Path(f"{stem}.ext")
        extensions.write_text(
            f"subjectAltName={hosts}\nbasicConstraints=critical,CA:FALSE\n"
            "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key),
            *("-CAcreateserial", "-days", days, "-extfile", extensions, "-out", made.cert),
        )
        made.both.write_text(made.key.read_text() + made.cert.read_text())
        return made


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30)
