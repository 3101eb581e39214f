#!/usr/bin/env bash
# Installs what `make lint` and `make e2e` need beyond Go, and says what and why. Does nothing when all is there.
# Debian and its relatives only; elsewhere it prints what to install and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=()
reasons=()
need() { # need PACKAGE REASON CHECK...
	local package=$1 reason=$2
	shift 2
	if ! "$@" >/dev/null 2>&1; then
		packages+=("$package")
		reasons+=("$(printf '  %-20s %s' "$package" "$reason")")
	fi
}
have() { command -v "$1"; }
# The system's own Python, for which Debian packages its libraries.
python() { /usr/bin/python3 -c "import $1"; }

need ca-certificates "downloads of modules" test -e /etc/ssl/certs/ca-certificates.crt
need util-linux "unshare, for the story without a network" have unshare
need gcc "the race detector" have gcc
need libc6-dev "the race detector" test -e /usr/include/stdlib.h
need shellcheck "lint of the shell scripts" have shellcheck
need chromium "browser stories" have chromium
need nginx-light "the gate behind nginx" test -x /usr/sbin/nginx
need haproxy "the gate behind HAProxy" test -x /usr/sbin/haproxy
need caddy "the gate behind Caddy" have caddy
need fonts-dejavu-core "text in the browser's screenshots" test -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
need nodejs "npm's IAP verifiers and oidc-provider" have node
need npm "npm's IAP verifiers and oidc-provider" have npm
need prometheus "scrapes a gate and evaluates the alerts and the dashboard; the tests start their own" have prometheus
need curl "programs that ask as scripts do" have curl
need slapd "an LDAP directory to check passwords at; the tests start their own, the service is not used" test -x /usr/sbin/slapd
need ldap-utils "changes entries of that directory" have ldapmodify
need python3 "Debian's IAP verifiers" test -x /usr/bin/python3
need python3-jose "a verifier of assertions" python jose
need python3-requests "Google's tutorial fetches keys with it" python requests
need python3-jwt "a verifier of assertions" python jwt
need python3-cryptography "ES256 for both of them" python cryptography
need python3-flask "the example app in Python" python flask
need python3-pytest "its tests" python pytest
need ruby "Debian's IAP verifiers in Ruby" have ruby
need ruby-googleauth "a verifier of assertions" ruby -e 'require "googleauth/id_tokens"'
need ruby-jwt "a verifier of assertions" ruby -e 'require "jwt"'
need ruby-webrick "the example app in Ruby" ruby -e 'require "webrick"'
need python3-google-auth "Google's library for Python, which uses our key files" python google.oauth2.service_account
need python3-jsonschema "a validator of JSON Schema" python jsonschema
need python3-yaml "what the validator reads" python yaml

if [ ${#packages[@]} -gt 0 ]; then
	echo "setup: missing for the tests:"
	printf '%s\n' "${reasons[@]}"
	if ! command -v apt-get >/dev/null; then
		echo "setup: this script installs with apt-get only; install the above by hand and run it again" >&2
		exit 1
	fi
	sudo=()
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "setup: run 'apt-get install ${packages[*]}' as root, then run this again" >&2
			exit 1
		fi
		sudo=(sudo)
	fi
	echo "setup: apt-get install ${packages[*]}"
	"${sudo[@]}" apt-get update -qq
	# The tests start a directory of their own: without a configuration, the package starts none for the system.
	if [[ " ${packages[*]} " == *" slapd "* ]]; then
		echo "slapd slapd/no_configuration boolean true" | "${sudo[@]}" debconf-set-selections
	fi
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

# npm ci is run only when the lock file is newer than what it installed.
for dir in test/node examples/node examples/playwright; do
	stamp=$dir/node_modules/.package-lock.json
	if [ ! -e "$stamp" ] || [ "$dir/package-lock.json" -nt "$stamp" ]; then
		echo "setup: npm ci in $dir ($(sed -n 's/.*"description": "\(.*\)".*/\1/p' "$dir/package.json"))"
		(cd "$dir" && npm ci --no-audit --no-fund --loglevel=error)
		touch "$stamp"
	fi
done
# Dex, at which the stories of sign-in sign in, is built from its module; here its dependencies are downloaded and
# compiled, so that the stories do not wait for that.
echo "setup: go build in test/peers (Dex)"
(cd test/peers && CGO_ENABLED=0 go build -o /dev/null ./dex)

# The story without a network runs in a network namespace of its own.
if ! unshare --user --map-root-user --net true; then
	echo "setup: this machine gives no user namespaces, which test/providers needs: see kernel.unprivileged_userns_clone and user.max_user_namespaces" >&2
	exit 1
fi
echo "setup: everything is here"
