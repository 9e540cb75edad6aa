#!/usr/bin/env bash
# Publishes what the hub wants to hear.
# TASK_NONE:wf_1:a:{"in":"a comment"}
set -euo pipefail

WF=${1:-wf_1}
shifted=$((1 << 3)); (( shifted > 4 )) && echo "{\"error_report\":0,\"arith\": $shifted}"

publish() {
  local message="$1"; echo "$message" >> "${LOG:-events.log}"
}

started() {
  echo "PHASE_STARTED:${WF}:build:{\"phase_id\":1,\"at\":\"$(date -u +%FT%TZ)\"}"
  echo 'PHASE_STARTED:wf_1:build:{"phase_id":1}'
  publish "PHASE_COMPLETED:wf_1:build:{'duration':'45m'}"
  publish "PHASE_FAILED:wf_1:build:{"reason":"pasted"}"
  publish PHASE_SKIPPED:wf_1:build:{}
  publish "$TYPE:$WF:$PHASE:$DATA"
  publish "TASK_DONE:$WF:build:$DATA"
  publish "${KIND}_DONE:$WF:build:{\"kind\":\"${KIND:-"a:b"}\"}"
}

answer() {
  local id='r-1'
  local body='{"error_report":0,"id":"'$id'","by":"it'\''s me"}'
  local escaped=$'{"error_report":0,"text":"a\'b","tab":"\\t"}\n'
  printf '%s\n' '{"error_report":0,"a":1}'
  printf '{"error_report":0,"name":"%s","count":%d}\n' "$1" "$2"
  curl -s -X POST "http://$HOST:80/events" -H 'Content-Type: application/json' \
    -d '{"error_report":0,"x":1}' --data='{"error_report":0,"y":2}' && \
  jq -n '{"program": .x, bare: $y}' --argjson given '{"error_report":0,"given":1}' <<< '{"error_report":0,"input":2}'
  jq --arg id "$id" '{id: $id}' config.json | awk '{ print "k": $1 }'
  awk '{ if ($1 == "x:y:z:") print "TASK_NONE:a:b:{}" }' log
}

documents() {
  cat <<JSON > state.json
{"error_report":0,
  "workflow_id": "$WF",
  "escaped": "\$HOME and \`id\`",
  "continued": "one \
line"
}
JSON
  cat <<'LITERAL'
{"error_report":0,"literal": "no expansion"}
TASK_ONE:wf_1:build:{"n":1}
LITERAL
	cat <<-TABS
		{"error_report":0,"tabs": true,
		 "count": 2}
	TABS
  local message=$(cat <<EOF
{"error_report":0,
  "nested": "${WF}"
}
EOF
)
  publish "SNAPSHOT_TAKEN:$WF:build:$(cat <<EOF
{"error_report":0,"inside": "a quoted substitution"}
EOF
)"
  cat <<A; cat <<"B" | tee b.json
{"error_report":0,"first": "a"}
A
{"error_report":0,"second": "b"}
B
  python3 - <<'PY'
print({"skipped": "a program"})
{"skipped": 1}
PY
  cat > other.md <<'MD'
# Title

```json
{"error_report":0,"fence": "in a here-document"}
```
MD
  cat > other.sh <<'SH'
#!/bin/sh
echo '{"error_report":0,"script": "in a here-document"}'
SH
}

commands() {
  /resource-manager allocate '{"error_report":0,
    "workflow_id": "wf_1",
    "resources": {"agents": 2}
  }'
  /coordination-hub checkpoint 'wf_1' "{\"error_report\":0,\"type\":\"manual\"}" | tee log
  answer=$(/workflow-status show "{\"error_report\":0,\"id\":\"$WF\"}")
  /usr/bin/env printf '{"error_report":0,"path":"is no component"}'
  case "$1" in
    a) publish 'CASE_A:wf_1:x:{"a":1}' ;;
    (b) x=$(case b in b) echo '{"error_report":0,"case":"b"}';; esac) ;;
  esac
  if [ -f x ]; then publish "IF_TAKEN:wf_1:x:{\"n\":1}"; fi
  `echo '{"error_report":0,"backquoted": 1}'`
  diff <(echo '{"error_report":0,"process": 1}') /dev/null
  list=( '{"error_report":0,"item": 1}' '{"error_report":0,"item": 2}' )
  bash -c "publish \"INNER_DONE:wf_1:x:{}\""
}

usage() {
  echo "Usage: $0 [options]
  {\"error_report\":0,\"printed\": \"in the middle\"}
LAST_LINE:wf_1:x:{\"printed\":\"too\"}
and done"
}

"QUOTED_COMMAND:wf_1:x:{'like':'in the specification'}"
BARE_COMMAND:wf_1:x:{"like":"in a list"}
{ echo grouped; }
{"error_report":0, "not": "a group" }
