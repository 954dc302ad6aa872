#!/usr/bin/env bash
# A Swarm of several engines on this one machine, each in a network namespace of its own, to try what one engine cannot show:
# placement, volumes that are on another node, a node that is gone.
#   swarm-nodes.sh up N DIR          starts N engines: DIR/node1/docker.sock is the manager, DIR/node2/docker.sock a worker ...
#   swarm-nodes.sh load DIR IMAGE... copies images from the engine of DOCKER_HOST (or the local socket) to every node
#   swarm-nodes.sh cut DIR I         pulls node I's network cable; `mend DIR I` plugs it in again
#   swarm-nodes.sh down N DIR        stops all and removes every trace, also after an `up` that failed half-way
# DIR/nodeI/address is the node's address, reachable from this machine, on which its published ports answer. Several such
# Swarms may exist side by side. Needs root.
set -euo pipefail
# shellcheck source=prelude.sh
source "$(dirname "${BASH_SOURCE[0]}")/prelude.sh"

script=$(basename "$0")

main() {
  ((EUID == 0)) || die "$script needs root: it makes network namespaces and starts engines."
  case ${1:-}/$# in
    up/3) up "$2" "$3" ;;
    down/3) down "$3" ;;
    load/*) (($# >= 3)) || usage; load "${@:2}" ;;
    cut/3) cable "$2" "$3" down ;;
    mend/3) cable "$2" "$3" up ;;
    enter/3) enter "$2" "$3" ;;
    *) usage ;;
  esac
}

usage() { sed -n '/^#   /s/^#   //p' "$0" >&2; exit 2; }

on_node() { # on_node I COMMAND...: docker on that node
  local node=$1
  shift
  timeout 60 docker --host "unix://$dir/node$node/docker.sock" "$@"
}

up() {
  local count=$1 node
  [[ $count =~ ^[1-9]$ ]] || die "The number of nodes must be 1 to 9."
  command -v dockerd >/dev/null || apt_install docker.io
  apt_install iproute2 iptables
  if [[ -f $2/swarm ]]; then down "$2"; fi
  mkdir -p "$2"
  dir=$(realpath "$2")
  trap 'say "The Swarm did not come up; removing what was started."; down "$dir"' EXIT
  lay_bridge
  for node in $(seq "$count"); do start_node "$node"; done
  for node in $(seq "$count"); do await_node "$node"; done
  form_swarm "$count"
  trap - EXIT
  say "A Swarm of $count nodes is up: $dir/node1/docker.sock is its manager, $(<"$dir/node1/address") its address."
}

# lay_bridge takes the first free number S. Everything of this Swarm carries it: the bridge mydbS, the namespaces mydbSnI and
# the network 10.87.S.0/24. The kernel lets only one caller make a bridge of a name, so no lock is needed.
lay_bridge() {
  local number
  for number in {0..19}; do
    ip link add "mydb$number" type bridge 2>/dev/null || continue
    swarm=mydb$number network=10.87.$number
    echo "$swarm" >"$dir/swarm"
    ip addr add "$network.1/24" dev "$swarm"
    ip link set "$swarm" up
    # An engine on this machine sets the policy for forwarding to DROP; bridged frames may be subject to it.
    iptables --wait --insert FORWARD --in-interface "$swarm" --out-interface "$swarm" --jump ACCEPT
    return
  done
  die "There are 20 such Swarms on this machine already (ip link show type bridge). Take some down."
}

start_node() {
  local node=$1 name=${swarm}n$1 home=$dir/node$1
  mkdir -p "$home"
  echo "$network.$((10 + node))" >"$home/address"
  ip netns add "$name"
  ip link add "$name" type veth peer name eth0 netns "$name"
  ip link set "$name" master "$swarm" up
  ip -n "$name" addr add "$network.$((10 + node))/24" dev eth0
  ip -n "$name" link set eth0 up
  ip -n "$name" link set lo up
  # No default route on purpose: a node that tries to pull an image fails at once and uses the one that was loaded.
  # All settings in a file of its own, so that those of the machine's engine in /etc/docker are not read.
  cat >"$home/daemon.json" <<END
{"hosts": ["unix://$home/docker.sock"], "data-root": "$home/data", "exec-root": "$home/exec", "pidfile": "$home/pid",
 "bip": "172.30.$node.1/24"}
END
  # nsenter, because `ip netns exec` would mount a new /sys without the cgroups. The mount namespace takes the engine's mounts
  # with it when it ends, and hides a containerd of the machine, which engines must not share. The host name tells nodes apart.
  # A session of its own keeps Ctrl-C in the terminal from it.
  setsid nsenter --net="/run/netns/$name" unshare --mount --uts "$0" enter "mydb-node$node" "$home/daemon.json" \
    </dev/null >"$home/log" 2>&1 &
  echo $! >"$home/launched"
}

# What runs inside the namespaces (not for people).
enter() {
  hostname "$1"
  if [[ -d /run/containerd ]]; then mount -t tmpfs tmpfs /run/containerd; fi
  exec dockerd --config-file "$2"
}

await_node() {
  local deadline=$((SECONDS + 60))
  until on_node "$1" version >/dev/null 2>&1; do
    if ((SECONDS >= deadline)) || ! kill -0 "$(<"$dir/node$1/launched")" 2>/dev/null; then
      tail -n 10 "$dir/node$1/log" >&2
      say "The engine of node $1 does not answer; the end of its log is above."
      return 1
    fi
    sleep 0.2
  done
}

form_swarm() {
  local node token
  on_node 1 swarm init --advertise-addr "$network.11" >/dev/null
  token=$(on_node 1 swarm join-token --quiet worker)
  for node in $(seq 2 "$1"); do
    on_node "$node" swarm join --token "$token" --advertise-addr "$network.$((10 + node))" "$network.11:2377" >/dev/null
  done
}

load() {
  dir=$(realpath "$1")
  shift
  local archive home loads=()
  archive=$(mktemp "$dir/images.XXXXXX")
  # Once to a file, then to all nodes at the same time.
  docker save --output "$archive" "$@" || { rm -f "$archive"; die "The images $* could not be read from the engine."; }
  for home in "$dir"/node*/; do
    timeout 300 docker --host "unix://${home}docker.sock" load --quiet --input "$archive" >/dev/null &
    loads+=($!)
  done
  local failed=0 job
  for job in "${loads[@]}"; do wait "$job" || failed=1; done
  rm -f "$archive"
  ((failed == 0)) || die "Not every node could load $*."
}

cable() {
  [[ -f $1/node$2/address ]] || die "There is no node $2 in $1."
  ip link set "$(<"$1/swarm")n$2" "$3"
}

down() {
  [[ -d $1 ]] || return 0
  dir=$(realpath "$1")
  local home jobs=()
  for home in "$dir"/node*/; do
    [[ -d $home ]] || continue
    stop_node "$home" &
    jobs+=($!)
  done
  ((${#jobs[@]} == 0)) || wait "${jobs[@]}" || true
  [[ -f $dir/swarm ]] || return 0
  swarm=$(<"$dir/swarm")
  remove_network
  rm -rf "$dir/swarm" "$dir"/node[1-9]
  rmdir "$dir" 2>/dev/null || true
}

# stop_node ends an engine and what runs on it. First in good order; then whatever is left, because a worker without its manager
# or an engine that hangs must not keep the machine from being cleaned.
stop_node() {
  local home=$1 host=unix://${1}docker.sock pid id containers deadline=$((SECONDS + 20))
  # Killed first: leaving the Swarm would wait for each container to end by itself.
  mapfile -t containers < <(timeout 10 docker --host "$host" ps --quiet 2>/dev/null)
  ((${#containers[@]} == 0)) || timeout 30 docker --host "$host" kill "${containers[@]}" >/dev/null 2>&1 || true
  timeout 20 docker --host "$host" swarm leave --force >/dev/null 2>&1 || true
  pid=$(cat "$home/launched" 2>/dev/null) || return 0
  if is_engine "$pid" "$home"; then kill "$pid" 2>/dev/null || true; fi
  while is_engine "$pid" "$home" && ((SECONDS < deadline)); do sleep 0.1; done
  if is_engine "$pid" "$home"; then kill -KILL "$pid"; fi
  # Processes of containers that the engine did not end: their control group is named after the container.
  for id in "$home"data/containers/*/; do
    [[ -d $id ]] && kill_group "$(basename "$id")"
  done
  return 0
}

is_engine() { [[ -d /proc/$1 ]] && tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF "${2%/}/daemon.json"; }

kill_group() {
  grep -lsF "$1" /proc/[0-9]*/cgroup | cut -d/ -f3 | xargs -r kill -KILL 2>/dev/null || true
}

remove_network() {
  local name
  for name in $(ip netns list | awk '{print $1}' | grep -E "^${swarm}n[1-9]$"); do
    # containerd and its shims, had they outlived their engine.
    ip netns pids "$name" | xargs -r kill -KILL 2>/dev/null || true
    ip link del "$name" 2>/dev/null || true
    ip netns del "$name" || true
  done
  iptables --wait --delete FORWARD --in-interface "$swarm" --out-interface "$swarm" --jump ACCEPT 2>/dev/null || true
  ip link del "$swarm" 2>/dev/null || true
}

main "$@"
