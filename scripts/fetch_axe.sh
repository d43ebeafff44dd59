#!/usr/bin/env bash
# Puts axe-core, the accessibility checker, beside the browser tests. It is MPL-2.0 and only ever run by tests, so it is
# fetched from npm, compared with its known hash and not kept in the repository. Without npm those tests are skipped.
set -eu

version=4.14.1
sha256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
cd "$(dirname "$0")/.."
target=tests/browser/vendor/axe.min.js

matches() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }
matches "$target" && exit 0
if ! command -v npm >/dev/null 2>&1; then
    echo "npm is not installed: the accessibility checks are skipped." >&2
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! (cd "$work" && npm pack --silent "axe-core@$version" && tar xzf axe-core-*.tgz package/axe.min.js) </dev/null >/dev/null 2>&1; then
    echo "axe-core $version could not be fetched from npm: the accessibility checks are skipped." >&2
    exit 0
fi
matches "$work/package/axe.min.js" || { echo "axe-core $version does not have the expected hash: refused." >&2; exit 1; }
mkdir -p "$(dirname "$target")"
mv "$work/package/axe.min.js" "$target"
