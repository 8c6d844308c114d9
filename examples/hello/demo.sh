#!/usr/bin/env bash
# The main job, as a person would type it: apply, request, kill, heal, change, destroy.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
export PATH="${STOWAGE_BIN:-$root/bin}:$PATH"
# The state stays until all is destroyed, so that a demo that was cut off can be taken up.
work=${STOWAGE_DEMO_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/stowage-demo}
mkdir -p "$work"
cp ./*.stowage.hcl "$work"; cd "$work"
started=$SECONDS
finish() { # however it ends, short of kill -9
  status=$?
  [ $status = 0 ] || stowage destroy -auto-approve || exit $status
  cd /
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e stowage.state.json ]; then
  echo "An earlier demo was cut off: what it left is destroyed first."
  stowage destroy -auto-approve
fi

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
run() { printf '\n%s$ %s%s\n' "$bold" "$*" "$plain"; "$@"; }
page() { curl -fsS --max-time 5 http://127.0.0.1:8080/; }
fail() { printf '\nthe demo failed: %s\n' "$1" >&2; exit 1; }

run stowage version
run stowage validate
run stowage apply -auto-approve
run curl -fsS http://127.0.0.1:8080/ || fail "no answer"

pid=$(pgrep -o -f '/bin/httpd -f -p 80 -h /site') || fail "no process of the web server"
run kill -9 "$pid"
for _ in $(seq 100); do page >/dev/null 2>&1 && break; sleep 0.1; done
run curl -fsS http://127.0.0.1:8080/ || fail "the web server did not heal"
[ "$(pgrep -o -f '/bin/httpd -f -p 80 -h /site')" != "$pid" ] || fail "the old process is still there"

run stowage plan -detailed-exitcode || fail "the plan is not empty"
run stowage plan -var 'greeting=Ahoy!' -out ahoy.plan
run stowage apply ahoy.plan
[ "$(page)" = '<h1>Ahoy!</h1>' ] || fail "the page did not change"
run curl -fsS http://127.0.0.1:8080/
run stowage destroy -auto-approve
if page >/dev/null 2>&1; then fail "the web server still answers"; fi
printf '\nDone in %d s; nothing is left behind.\n' $((SECONDS - started))
