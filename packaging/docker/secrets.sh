#!/bin/sh
# Makes the secrets of compose.yaml, each once: what is there stays. The directory is closed to others; the files in it
# are readable, as the users inside the containers are not yours.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
chmod 0700 secrets

random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# Under its name only once it is whole.
keep() {
    [ -e "secrets/$1" ] && return
    printf '%s' "$2" >"secrets/.$1"
    chmod "${3:-0444}" "secrets/.$1"
    mv "secrets/.$1" "secrets/$1"
}

keep jwt_secret "$(random)"
keep admin_key "$(random)"
keep postgres_password "$(random)"
keep database_url "postgresql://kioskwire:$(cat secrets/postgres_password)@postgres:5432/kioskwire"
keep alerts_webhook_secret "whsec_$(head -c 32 /dev/urandom | base64 | tr -d '\n')"
# Yours to fill in, where there is to be a bot, a proxy on its way to Telegram, and figures pushed elsewhere.
keep telegram_bot_token "" 0644
keep telegram_proxy_url "" 0644
keep grafana_prometheus_password "" 0644
