#!/usr/bin/env bash
# Prometheus: promtool finds nothing to say about /metrics and the alerts, and the alerts ring when they
# should; a real Prometheus scrapes iaido and can answer every query of the dashboard and the alerts.
# shellcheck source=tests/interop/lib/common.sh
. "$(dirname "$0")/lib/common.sh"

interop_start prometheus curl python3

diag_port=$(free_port)
prometheus_port=$(free_port)
frontend_port=$(free_port)
up_port=$(free_port)
down_port=$(free_port)

cat >"$dir/iaido.yaml" <<EOT
diagAddr: 127.0.0.1:$diag_port
gracePeriod: 1s
frontends:
  - bindAddress: 127.0.0.1:$frontend_port
    backendPool:
      tiers:
        - targets: [{hosts: [127.0.0.1], port: $up_port}]
        - targets: [{hosts: [localhost, nosuch.invalid], port: $down_port}]
EOT
cat >"$dir/prometheus.yml" <<EOT
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [$dir/alerts.yml]
scrape_configs:
  - job_name: iaido
    static_configs: [{targets: ["127.0.0.1:$diag_port"]}]
EOT
cp "$top/contrib/prometheus/alerts.yml" "$top/contrib/prometheus/alerts_test.yml" "$dir"
chmod 644 "$dir"/*.yml "$dir"/*.yaml

# query EXPRESSION: Prometheus' answer.
query() {
	curl -sS --max-time 10 --data-urlencode "query=$1" \
		"http://127.0.0.1:$prometheus_port/api/v1/query"
}

# holds EXPRESSION: it has a result.
holds() {
	query "$1" | python3 -c '
import json, sys
answer = json.load(sys.stdin)
sys.exit(not (answer["status"] == "success" and answer["data"]["result"]))'
}

# What the dashboard and the alerts ask for, one a line, with the variables filled in.
queries() {
	python3 - "$top/contrib/grafana/iaido.json" "$prometheus_port" <<-'PYTHON'
		import json, sys, urllib.request
		with open(sys.argv[1]) as f:
		    dashboard = json.load(f)
		asked = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", [])]
		asked += [a["expr"] for a in dashboard["annotations"]["list"]]
		rules = urllib.request.urlopen("http://127.0.0.1:%s/api/v1/rules" % sys.argv[2])
		for group in json.load(rules)["data"]["groups"]:
		    for rule in group["rules"]:
		        assert rule["health"] == "ok", rule
		for expr in asked:
		    for name, value in {"$__rate_interval": "5s", "$__range": "1m", "$job": ".*",
		                        "$instance": ".*", "$frontend": ".*"}.items():
		        expr = expr.replace(name, value)
		    print(expr)
	PYTHON
}

# Every metric that is named in these files exists.
check_names() {
	local name

	curl -sS "http://127.0.0.1:$diag_port/metrics" >"$dir/metrics"
	while IFS= read -r name; do
		grep -qE "^$name(\{| )" "$dir/metrics" || fail "no metric $name"
	done < <(grep -ohE 'iaido_[a-z_]+' "$top/contrib/grafana/iaido.json" \
		"$top/contrib/prometheus/alerts.yml" | sort -u)
}

in_background backend python3 -m http.server --bind 127.0.0.1 "$up_port"
wait_until 10 listens "$up_port" || fail "the backend does not listen"
in_background iaido "$dir/iaido" -c "$dir/iaido.yaml"
wait_until 10 curl -sf -o "$dir/ready" "http://127.0.0.1:$diag_port/readyz?backends=any" ||
	fail "iaido does not become ready"

curl -sS "http://127.0.0.1:$diag_port/metrics" | promtool check metrics || fail "check metrics"
promtool check rules "$dir/alerts.yml" || fail "check rules"
(cd "$dir" && promtool test rules alerts_test.yml) || fail "test rules"
promtool check config "$dir/prometheus.yml" || fail "check config"

in_background prometheus prometheus --config.file="$dir/prometheus.yml" \
	--storage.tsdb.path="$dir/data" --web.listen-address="127.0.0.1:$prometheus_port"
wait_until 30 curl -sf -o "$dir/ready" "http://127.0.0.1:$prometheus_port/-/ready" ||
	fail "prometheus does not start"
wait_until 20 holds 'up{job="iaido"} == 1' || fail "iaido is not scraped"
for _ in 1 2 3 4 5 6 7 8; do
	curl -sS -o "$dir/page" "http://127.0.0.1:$frontend_port/" || fail "a request failed"
done
wait_until 20 holds 'sum(iaido_frontend_connections_total) == 8' || fail "8 connections, not seen"
wait_until 20 holds 'iaido_backend_up == 0' || fail "the dead backend is not seen"
wait_until 20 holds 'sum(rate(iaido_sent_bytes_total[10s])) > 0' || fail "no bytes are seen"
wait_until 20 holds 'histogram_quantile(0.9, sum by (le)
	(rate(iaido_backend_dial_duration_seconds_bucket[10s]))) > 0' || fail "no dial time is seen"
holds 'scrape_samples_scraped == scrape_samples_post_metric_relabeling' || fail "samples were lost"

check_names
asked=0
while IFS= read -r expression; do
	query "$expression" | grep -q '"status":"success"' || fail "no answer to: $expression"
	asked=$((asked + 1))
done < <(queries)
[ "$asked" -gt 20 ] || fail "only $asked queries in the dashboard"
echo "prometheus scrapes iaido; it answers the $asked queries of the dashboard"
