#!/bin/bash
# Keys for trials: dev-keys.sh DIRECTORY makes ca.pem, cert.pem and key.pem there, once. Nobody else's kiosk takes what
# they sign; a kiosk with this image takes what anybody with this directory signs.
set -euo pipefail
dir=$1
if [ -s "$dir/key.pem" ] && [ -s "$dir/cert.pem" ] && [ -s "$dir/ca.pem" ]; then exit 0; fi
mkdir -p "$dir"
chmod 700 "$dir"
cd "$dir"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 7300 -subj "/O=Kioskwire trials/CN=CA for trials" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout ca.key -out ca.pem 2> /dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/O=Kioskwire trials/CN=signer for trials" \
    -keyout key.pem -out cert.csr 2> /dev/null
openssl x509 -req -in cert.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 7300 -out cert.pem 2> /dev/null
rm -f cert.csr ca.srl
