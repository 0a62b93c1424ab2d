#!/usr/bin/env bash
# Envoy in a container. SIGTERM drains it: Envoy's own SIGTERM would cut every request in flight within 0.02 s.
#
#   run.sh serve [ENVOY'S FLAGS]   start Envoy; on SIGTERM drain, then end Envoy and exit with its code
#   run.sh healthy                 exit 0 while the door takes requests (a health check without an access log line)
#   run.sh leave                   drain only: a pod does this before it is stopped
#   run.sh ask METHOD PATH         print the answer of Envoy's admin interface, headers first
#
# To drain: fail health checks and ask clients to reconnect elsewhere; wait NOTICE_SECONDS (5), in which load balancers notice
# that; then wait until no request is left, at most DRAIN_SECONDS (20). A second SIGTERM ends Envoy at once. The container's
# grace period must be longer. Needs bash, which Envoy's image has and the distroless one has not; the admin port is that of
# envoy/envoy.yaml.
set -u
ADMIN=9901

ask() { # METHOD PATH
  exec 3<>"/dev/tcp/127.0.0.1/$ADMIN" || return
  printf '%s %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n' "$1" "$2" >&3
  cat <&3
  exec 3>&-
}

healthy() {
  local status=''
  read -r _ status _ < <(ask GET /ready)
  [ "$status" = 200 ]
}

busy() { # whether a request is in flight, except those to the admin interface
  ask GET '/stats?filter=downstream_rq_active$' | grep -v '^http\.admin\.' | grep -q ': [1-9]'
}

leave() { # fail health checks, let clients reconnect elsewhere, and return once nothing is in flight or the time is up
  local notice=$((SECONDS + ${NOTICE_SECONDS:-5})) latest=$((SECONDS + ${DRAIN_SECONDS:-20}))
  healthy || notice=$SECONDS # draining already
  ask POST /healthcheck/fail >/dev/null
  ask POST '/drain_listeners?graceful' >/dev/null
  while [ "$SECONDS" -lt "$notice" ] || { [ "$SECONDS" -lt "$latest" ] && busy; }; do
    sleep 0.2 & wait "$!"
  done
}

drain() {
  trap 'kill -KILL "$envoy"; exit 137' TERM INT
  echo "run.sh: draining" >&2
  leave
  kill -TERM "$envoy"
}

serve() {
  envoy "$@" &
  envoy=$!
  trap drain TERM INT
  local code=0
  # A trap ends `wait` early, with the signal's number, so loop until Envoy has ended.
  while
    wait "$envoy"
    code=$?
    kill -0 "$envoy" 2>/dev/null
  do :; done
  exit "$code"
}

case "${1:-}" in
  serve) shift; serve "$@" ;;
  healthy) healthy ;;
  leave) leave ;;
  ask) ask "$2" "$3" ;;
  *) echo "run.sh: use serve, healthy, leave or ask, not '${1:-}'" >&2; exit 2 ;;
esac
