#!/usr/bin/env bash
# lost_host.sh ROWS RESULTS LOG COMMAND...: run COMMAND on the first of three hosts (hosts.sh) as the driver of a Ray
# cluster whose only GPU is on the second. Once there are ROWS files of rows in RESULTS/parts, the link of the second is
# cut for good, and the third joins with a GPU. Ends with the exit code of COMMAND; LOG gets what it prints.
set -euo pipefail
least="$1" results="$2" log="$3"
shift 3
read -r head lost fresh <<< "$HOST_PIDS"
on() { nsenter --target "$1" --pid --net --mount --wd="$PWD" -- "${@:2}"; }

ray get-auth-token --generate > /dev/null
on "$head" ray start --head --node-ip-address=10.77.0.1 --port=6379 --num-cpus=1 --num-gpus=0 \
  --include-dashboard=false --disable-usage-stats
on "$lost" ray start --address=10.77.0.1:6379 --node-ip-address=10.77.0.2 --num-cpus=1 --num-gpus=1
on "$head" "$@" --address 10.77.0.1:6379 > "$log" 2>&1 &
driver="$!"
rows() { find "$results/parts" -name '*.trials.parquet' 2> /dev/null | wc -l; }
while [ "$(rows)" -lt "$least" ]; do
  kill -0 "$driver" || exit 70
  sleep 0.1
done
on "$lost" ip link set eth0 down
begun="$SECONDS"
echo "link cut with $(rows) packs stored"
sleep 1
stored="$(rows)"
on "$fresh" ray start --address=10.77.0.1:6379 --node-ip-address=10.77.0.3 --num-cpus=1 --num-gpus=1
while [ "$(rows)" -le "$stored" ] && kill -0 "$driver" 2> /dev/null; do sleep 0.1; done
echo "the next pack was stored $((SECONDS - begun)) s after the cut"
code=0
wait "$driver" || code="$?"
exit "$code"
