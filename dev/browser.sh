#!/usr/bin/env bash
# Headless Chromium, for tests and screenshots of the pages that people see. Installed with apt-get when missing.
#   browser.sh dump URL [LANGUAGE]          prints the page as it is after its scripts have run
#   browser.sh shot URL FILE [LANGUAGE]     takes a screenshot
set -euo pipefail

install_() {
  command -v chromium > /dev/null && return
  [ "$(id -u)" = 0 ] || { echo "browser.sh: chromium is missing; install the Debian package \`chromium\`" >&2; exit 2; }
  exec 9> "${TMPDIR:-/tmp}/jangteo-browser.lock"; flock 9
  command -v chromium > /dev/null || {
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends chromium fonts-noto-cjk
  } >&2
  exec 9>&-
}

browse() {
  profile="$(mktemp -d)"
  trap 'rm -rf "$profile"' EXIT
  timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir="$profile" --window-size=1000,900 \
    --hide-scrollbars --virtual-time-budget=10000 "$@" 2> /dev/null
}

case ${1:-} in
dump) install_; browse --accept-lang="${3:-en}" --dump-dom "$2" ;;
shot) install_; browse --accept-lang="${4:-en}" --screenshot="$3" "$2" ;;
*) sed -n '2,4p' "$0" >&2; exit 2 ;;
esac
