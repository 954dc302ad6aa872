#!/usr/bin/env bash
# Makes sure of a Docker engine in Swarm mode.
#   engine.sh up     uses the engine that answers (MYDB_DOCKER_HOST, DOCKER_HOST or the local socket); where none does, installs
#                    Debian's docker.io and starts it. Puts the engine into a Swarm of its own if it is in none.
#   engine.sh down   stops the engine if `up` started it by hand; leaves any other alone. Data and images stay.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

# Two files of our own, so that `down` can tell the engine started here from one that belongs to the machine.
pid_file=/run/mydb-dockerd.pid
log_file=/var/log/mydb-dockerd.log
lock_file=/run/mydb-engine.lock

main() {
  case ${1:-} in
    up) up ;;
    down) down ;;
    *) echo "usage: engine.sh up|down" >&2; exit 2 ;;
  esac
}

up() {
  engine_answers || start_engine
  join_swarm
}

start_engine() {
  case ${DOCKER_HOST:-unix://$local_socket} in
    unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
    *) die "No Docker engine answers at $DOCKER_HOST. Start it, or unset MYDB_DOCKER_HOST and DOCKER_HOST to use an engine on this machine." ;;
  esac
  if [[ -S $local_socket && ! -w $local_socket ]]; then
    die "There is a Docker engine at $local_socket, but $(id -un) may not use it. Join the group docker, or run this as root."
  fi
  ((EUID == 0)) || die "No Docker engine answers, and only root can install and start one. Run this as root, or start an engine yourself."
  exec 9>"$lock_file"
  flock --timeout 300 9 || die "Another engine.sh has been starting the engine for five minutes (lock $lock_file)."
  if engine_answers; then return; fi # somebody else started it while we waited
  install_engine
  launch_engine
  exec 9>&-
}

install_engine() {
  command -v dockerd >/dev/null || apt_install docker.io
  command -v iptables >/dev/null || apt_install iptables
  # From Debian 13 on, docker.io only recommends the client.
  command -v docker >/dev/null || apt_install docker-cli
}

launch_engine() {
  if [[ -d /run/systemd/system ]]; then
    timeout 90 systemctl start docker || die "systemctl start docker failed; see: journalctl -u docker"
  else
    say "Starting dockerd (log: $log_file) ..."
    # A session of its own, so that Ctrl-C in the terminal does not reach it; 9>&- so that it does not keep the lock.
    setsid dockerd --pidfile "$pid_file" </dev/null >>"$log_file" 2>&1 9>&- &
  fi
  await_engine
}

await_engine() {
  local deadline=$((SECONDS + 60))
  until engine_answers || ((SECONDS >= deadline)); do
    if [[ -n ${!:-} ]] && ! kill -0 "$!" 2>/dev/null; then break; fi # dockerd has given up
    sleep 0.2
  done
  if ! engine_answers; then
    [[ -f $log_file ]] && tail -n 10 "$log_file" >&2
    die "dockerd was started and does not answer on $local_socket; the end of its log ($log_file) is above."
  fi
}

join_swarm() {
  local state manager
  read -r state manager < <(timeout 10 docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>/dev/null) ||
    die "The Docker engine answers, but not to 'docker info'."
  case $state in
    inactive)
      say "The engine is in no Swarm; making it a Swarm of one node."
      # Loopback: nothing outside this machine can join, which is right for development.
      timeout 60 docker swarm init --advertise-addr 127.0.0.1 >/dev/null || die "docker swarm init failed; its reason is above."
      ;;
    active) [[ $manager == true ]] || die "The engine is a worker of a Swarm, and MyDB must talk to a manager. Set MYDB_DOCKER_HOST to a manager's address." ;;
    *) die "The engine's Swarm is in the state '$state', which MyDB cannot use. 'docker info' tells more; 'docker swarm leave --force' starts afresh." ;;
  esac
}

down() {
  if [[ ! -s $pid_file ]]; then
    say "No engine was started by engine.sh; nothing to stop."
    return
  fi
  local pid
  pid=$(<"$pid_file")
  if [[ $(cat "/proc/$pid/comm" 2>/dev/null) != dockerd ]]; then
    rm -f "$pid_file"
    say "The engine that engine.sh started is no longer running."
    return
  fi
  kill "$pid"
  local deadline=$((SECONDS + 60))
  while kill -0 "$pid" 2>/dev/null; do
    ((SECONDS < deadline)) || die "dockerd (process $pid) did not stop within a minute; see $log_file."
    sleep 0.2
  done
  say "Stopped the engine; its images and volumes are kept."
}

main "$@"
