#!/usr/bin/env bash
# oauth2-proxy in the bench: OAUTH2_PROXY=PROGRAM BENCH_PEER_OAUTH2_PROXY=test/load/peers/oauth2-proxy.sh make bench
# Its sessions are in sealed cookies, as they are by default, and it logs no requests: nginx does not, either.
set -euo pipefail
: "${OAUTH2_PROXY:?names the program}"

echo "name: $("$OAUTH2_PROXY" --version | cut -d' ' -f1,2)"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf 'alice@example.com:{SHA}%s\n' "$(printf secret | openssl sha1 -binary | base64)" >"$dir/htpasswd"
"$OAUTH2_PROXY" --http-address="$LISTEN" --upstream="$UPSTREAM" --htpasswd-file="$dir/htpasswd" \
	--provider=github --client-id=none --client-secret=none --email-domain='*' \
	--cookie-secret="$(openssl rand -hex 16)" --cookie-secure=false \
	--request-logging=false --auth-logging=false --standard-logging=false &
proxy=$!
trap 'kill "$proxy"' TERM

sign_in() {
	curl --silent --output /dev/null --dump-header - --data-urlencode username=alice@example.com --data password=secret \
		"http://$LISTEN/oauth2/sign_in" | sed -n 's/^[Ss]et-[Cc]ookie: \(_oauth2_proxy=[^;]*\);.*/\1/p'
}
until cookie=$(sign_in) && [ -n "$cookie" ]; do
	kill -0 "$proxy"
	sleep 0.1
done
echo "ready: Cookie: $cookie"
wait "$proxy"
