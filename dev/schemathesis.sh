#!/usr/bin/env bash
# Throws generated requests at a running gateway: no 5xx, no answer that the OpenAPI document does not describe.
# Usage: dev/schemathesis.sh [schemathesis options]; $SCHEMATHESIS names the program, $JANGTEO the binary.
set -euo pipefail
cd "$(dirname "$0")/.."
target="${CARGO_TARGET_DIR:-target}"
jangteo="${JANGTEO:-$target/debug/jangteo}"
schemathesis="${SCHEMATHESIS:-schemathesis}"
work="$(mktemp -d)"
pid=""
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT

# Generated traffic comes from one address and must not be slowed down.
cat > "$work/jangteo.toml" <<'TOML'
[internal]
listen = "127.0.0.1:0"
[gateway.rate]
read = { per_minute = 1000000, burst = 100000 }
write = { per_minute = 1000000, burst = 100000 }
login = { per_minute = 1000000, burst = 100000 }
TOML
"$jangteo" --listen 127.0.0.1:0 --data-dir "$work/data" --demo-products 20 --config "$work/jangteo.toml" >"$work/out" 2>"$work/log" &
pid=$!
for _ in $(seq 300); do
  url="$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$work/out" | head -n 1 || true)"
  [ -n "$url" ] && curl -sf "$url/v1/products?limit=1" >/dev/null && break
  kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done
email="$(grep -oE '[a-z]+@[a-z.]+' "$work/out" | head -n 1)"
password="$(sed -nE 's/.*password[: ]+([^ ]+).*/\1/p' "$work/out" | head -n 1)"
token() {
  curl -sf "$url/v1/sessions" -H 'content-type: application/json' \
    -d "{\"email\":\"$email\",\"password\":\"$password\"}" | python3 -c 'import json,sys; print(json.load(sys.stdin)["access_token"])'
}
run() {
  "$schemathesis" run "$url/openapi.json" --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --max-examples "${MAX_EXAMPLES:-15}" --seed 1 --no-color --continue-on-failure --warnings off "$@"
}
echo "== as a stranger"
run "$@"
echo "== as the administrator"
run --header "Authorization: Bearer $(token)" "$@"
kill -0 "$pid" || { echo "the server died:"; cat "$work/log"; exit 1; }
if grep -i panicked "$work/log"; then exit 1; fi
