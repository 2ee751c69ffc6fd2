"""Certificates for tests and benchmarks: an authority, and whom it vouches for."""

import subprocess


def make_certificate(folder, name, authority=None, *extensions):
    """NAME.pem and NAME.key, signed by the authority's, or by itself."""
    signed_by = ["-CA", folder / f"{authority}.pem", "-CAkey", folder / f"{authority}.key"]
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
             "-out", folder / f"{name}.pem", *(signed_by if authority else []),
             *(word for extension in extensions for word in ("-addext", extension))]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
