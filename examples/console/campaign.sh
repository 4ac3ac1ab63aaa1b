#!/bin/sh
# A campaign from CI: upload an image, plan it, look who would be offered it, activate, wait.
#
#   mcu-updater center serve center.toml --port 8021 &
#   examples/console/campaign.sh http://127.0.0.1:8021 build/app.bin 2.1.0 p11111 STM32
#
# With a token: CONSOLE_TOKEN=$(cat token) examples/console/campaign.sh ...
# Exit code: 0 every device runs the version, 1 an upgrade failed, 22 the server refused something.
set -eu
server=$1 image=$2 version=$3 product=$4 component=$5
name="ci $version"
plan=$server/api/plans/ci%20$version

api() {
    curl --silent --show-error --fail-with-body \
        --header "Authorization: Bearer ${CONSOLE_TOKEN:-}" --write-out '\n' "$@"
}

json() {
    api --header 'Content-Type: application/json' --data "$@"
}

api -F "name=$name" -F "target=$version" -F "files=@$image" "$server/api/packages"
json "{\"name\": \"$name\", \"product\": \"$product\",
       \"upgrades\": [{\"component\": \"$component\", \"package\": \"$name\"}]}" "$server/api/plans"
api "$plan/preview"
json '{"action": "activate"}' "$plan/actions"

while :; do
    seen=$(api "$server/api/monitoring/ci%20$version?limit=1")
    case $seen in
        *'"upgrade failed":0'*) ;;
        *) api "$server/api/monitoring/ci%20$version?state=upgrade%20failed"; exit 1 ;;
    esac
    case $seen in
        *'"upgrading":0,"not upgraded":0'*) break ;;
    esac
    sleep "${CONSOLE_WAIT_S:-5}"
done
echo "every device runs $version"
