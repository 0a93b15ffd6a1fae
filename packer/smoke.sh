#!/bin/sh
# The last step of a build: the installed firewall serves one request, in front of its simulator.
# Run as root; the firewall itself runs as s4fw.
set -eu

bin=/opt/s4fw/bin/s4fw
work=$(mktemp -d)
chown s4fw:s4fw "$work"
pids=""
# shellcheck disable=SC2317,SC2329
end() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    for pid in $pids; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap end EXIT

# Always in the background: without exec the shell that waits for it would be killed in its place.
as_service() { exec setpriv --reuid=s4fw --regid=s4fw --clear-groups --bounding-set=-all --no-new-privs "$@"; }

wait_for() { # WORDS FILE
    for _ in $(seq 100); do
        if grep -q "$1" "$2" 2>/dev/null; then return 0; fi
        sleep 0.1
    done
    echo "smoke.sh: never said: $1" >&2
    cat "$2" >&2
    return 1
}

as_service "$bin" sim --port 0 >"$work/sim" 2>&1 &
pids="$pids $!"
wait_for "^ready http" "$work/sim"
simulator=$(sed -n 's/^ready \(http[^ ]*\).*/\1/p' "$work/sim")
cat >"$work/s4fw.yaml" <<END
server: {port: 0, workers: 1}
admin: {port: 0}
upstreams: {openai: {base_url: "$simulator"}}
pricing: {overrides: {mock-small: {input_usd_per_mtok: 1, output_usd_per_mtok: 2, max_output_tokens: 256}}}
budgets: [{id: smoke, per: [], window: day, limit_usd: 1}]
END
chmod 0644 "$work/s4fw.yaml"
as_service env "RUNTIME_DIRECTORY=$work/run" "STATE_DIRECTORY=$work/state" \
    "$bin" serve --config "$work/s4fw.yaml" >"$work/out" 2>&1 &
pids="$pids $!"
wait_for "^s4fw ready http" "$work/out"
url=$(sed -n 's/^s4fw ready \(http[^ ]*\).*/\1/p' "$work/out")
/opt/s4fw/bin/python - "$url" <<'END'
import json
import sys
import urllib.request

body = {"model": "mock-small", "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}]}
request = urllib.request.Request(
    sys.argv[1] + "/v1/chat/completions",
    json.dumps(body).encode(),
    {"content-type": "application/json", "authorization": "Bearer anything"},
)
with urllib.request.urlopen(request, timeout=10) as answer:
    assert answer.status == 200, answer.status
    print("smoke: one request served, it cost $" + answer.headers["x-s4fw-cost-usd"])
END
