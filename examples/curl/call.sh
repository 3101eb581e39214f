#!/bin/sh
# Calls an app behind Identity-Aware Proxy, as the service account of the machine that this runs on.
#
# Usage: call.sh URL CLIENT_ID, with the OAuth client id that IAP has for the app.
set -eu
url=$1 client_id=$2

account=http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default
token=$(curl -sSf -G -H 'Metadata-Flavor: Google' --data-urlencode "audience=$client_id" "$account/identity")
# From standard input: the arguments of a program are for all to read.
printf 'Authorization: Bearer %s\n' "$token" | curl -sS --fail-with-body -H @- "$url"
