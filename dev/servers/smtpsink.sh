#!/bin/bash
# A real SMTP server (aiosmtpd) that keeps every mail as one line of DIR/mails.jsonl.
#   smtpsink.sh install       puts it under ${JANGTEO_TOOLS:-~/.cache/jangteo/tools}
#   smtpsink.sh run DIR       serves until killed; DIR/port says where (127.0.0.1; $SMTPSINK_PORT chooses)
#   smtpsink.sh run DIR tls   the same with STARTTLS required; DIR/ca.pem is its authority, for `localhost`
# Recipients decide what happens: permanent@ gets 550, transient@ gets 451 the first time, slow@ waits 30 s.
set -euo pipefail
VENV=${JANGTEO_TOOLS:-$HOME/.cache/jangteo/tools}/smtpsink

install_() {
  mkdir -p "$(dirname "$VENV")"
  exec 9> "$VENV.lock"; flock 9
  if ! "$VENV/bin/python" -c 'import aiosmtpd' 2> /dev/null; then
    rm -rf "$VENV"; python3 -m venv "$VENV"
    "$VENV/bin/pip" install -q --disable-pip-version-check aiosmtpd==1.4.6
  fi
  exec 9>&-
}

case ${1:-} in
install) install_ ;;
run)
  install_ >&2
  mkdir -p "$2"
  if [ "${3:-}" = tls ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=sink -keyout "$2/key.pem" \
      -out "$2/ca.pem" -addext 'subjectAltName=DNS:localhost' -addext 'basicConstraints=CA:FALSE' 2> /dev/null
  fi
  exec "$VENV/bin/python" -u "$(dirname "$0")/smtpsink.py" "$2" "${3:-plain}" ;;
*) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac
