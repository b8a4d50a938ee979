"""What `cargo deny check licenses sources` says, for machines without cargo-deny: the licence of every package in the lock
file is one of those in .deny.toml, and every package is from crates.io. Reads `cargo metadata` from standard input."""

import json
import re
import sys
import tomllib

with open(".deny.toml", "rb") as file:
    licenses = tomllib.load(file)["licenses"]


def allowed(expression, names):
    """An SPDX expression, with `/` for OR as older packages write it."""
    names = {name: True for name in names}
    # Longest first, so that what follows `WITH` stays with its licence.
    term = r"[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.+-]+)?"
    words = {"OR": "or", "AND": "and"}
    text = re.sub(term, lambda m: words.get(m[0], str(names.get(m[0], False))), expression.replace("/", " OR "))
    return eval(text, {"__builtins__": {}})


bad = []
packages = json.load(sys.stdin)["packages"]
for package in packages:
    names = licenses["allow"] + sum(
        (e["allow"] for e in licenses.get("exceptions", []) if e["name"] == package["name"]), [])
    source = package["source"] or "path"
    if not package["license"] or not allowed(package["license"], names):
        bad.append(f"{package['name']}: licence {package['license']}")
    if source != "path" and not source.startswith("registry+"):
        bad.append(f"{package['name']}: from {source}")
print("\n".join(bad) or f"crates: the licences of {len(packages)} packages are allowed")
sys.exit(bool(bad))
