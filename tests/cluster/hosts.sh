#!/usr/bin/env bash
# hosts.sh N COMMAND...: run COMMAND in the network of the first of N "hosts" with a `srun` that reaches all of them.
# A host has its own network (10.77.0.1, .2, ...), processes and /tmp/ray, so that `ray stop` sees only its own Ray.
# Run it as the first process of a namespace (unshare --pid --fork --kill-child ...): all of it ends with it.
set -euo pipefail
num_hosts="$1"
shift
tools="$(mktemp -d)"

ip link add name switch type bridge
ip link set switch up
HOST_PIDS=""
for host in $(seq "$num_hosts"); do
  # The shell stays, as the first process of the host it has to bury those that end.
  unshare --pid --fork --mount-proc --net --mount bash -c "mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray && \
    ip link set lo up && touch '$tools/ready$host' && while true; do sleep 1; done" &
  until [ -e "$tools/ready$host" ]; do sleep 0.1; done
  pid="$(pgrep -P "$!")"
  ip link add "port$host" type veth peer name eth0 netns "$pid"
  ip link set "port$host" up master switch
  nsenter --target "$pid" --net ip addr add "10.77.0.$host/24" dev eth0
  nsenter --target "$pid" --net ip link set eth0 up
  HOST_PIDS="$HOST_PIDS $pid"
done
export HOST_PIDS

# What srun does, as far as slurm.sbatch needs it: the command once per node, with this environment.
cat > "$tools/srun" <<'SRUN'
#!/usr/bin/env bash
while [[ "$1" == --* ]]; do shift; done
code=0 children=""
for pid in $HOST_PIDS; do
  nsenter --target "$pid" --pid --net --mount --wd="$PWD" -- "$@" &
  children="$children $!"
done
for child in $children; do wait "$child" || code=$?; done
exit "$code"
SRUN
chmod +x "$tools/srun"

read -r first _ <<< "$HOST_PIDS"
code=0
PATH="$tools:$PATH" nsenter --target "$first" --net --wd="$PWD" -- "$@" || code=$?
rm -r "$tools"
exit "$code"
