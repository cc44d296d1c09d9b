"""Known vulnerabilities of what is installed, asked of the package index's advisory service.

Without a network there is nobody to ask: one line says so and the check passes. A vulnerability fails it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys

SERVICE = "pypi.org"


def main() -> int:
    """Exit code of the check."""
    try:
        socket.create_connection((SERVICE, 443), timeout=5).close()
    except OSError as error:
        print(f"pip-audit: skipped, {SERVICE} can't be reached ({error}).")
        return 0
    command = [sys.executable, "-m", "pip_audit", "--local", "--progress-spinner=off", "--timeout=15", "--format=json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        dependencies = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print(f"pip-audit: skipped, {SERVICE} gave no advisories.")
        return 0
    found = [(item["name"], item["version"], flaw) for item in dependencies for flaw in item.get("vulns", [])]
    for name, version, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"pip-audit: {name} {version} has {flaw['id']}, mended in {fixed}.")
    print(f"pip-audit: {len(found)} known vulnerabilities in {len(dependencies)} packages.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
