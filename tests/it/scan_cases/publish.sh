#!/usr/bin/env bash
# Publishes what the hub wants to hear.
# TASK_NONE:wf_1:a:{"in":"a comment"}
set -euo pipefail

WF=${1:-wf_1}
shifted=$((1 << 3)); (( shifted > 4 )) && echo "{\"arith\": $shifted}"

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
  local body='{"id":"'$id'","by":"it'\''s me"}'
  local escaped=$'{"text":"a\'b","tab":"\\t"}\n'
  printf '%s\n' '{"a":1}'
  printf '{"name":"%s","count":%d}\n' "$1" "$2"
  curl -s -X POST "http://$HOST:80/events" -H 'Content-Type: application/json' \
    -d '{"x":1}' --data='{"y":2}' && \
  jq -n '{"program": .x, bare: $y}' --argjson given '{"given":1}' <<< '{"input":2}'
  jq --arg id "$id" '{id: $id}' config.json | awk '{ print "k": $1 }'
  awk '{ if ($1 == "x:y:z:") print "TASK_NONE:a:b:{}" }' log
}

documents() {
  cat <<JSON > state.json
{
  "workflow_id": "$WF",
  "escaped": "\$HOME and \`id\`",
  "continued": "one \
line"
}
JSON
  cat <<'LITERAL'
{"literal": "no expansion"}
TASK_ONE:wf_1:build:{"n":1}
LITERAL
	cat <<-TABS
		{"tabs": true,
		 "count": 2}
	TABS
  local message=$(cat <<EOF
{
  "nested": "${WF}"
}
EOF
)
  publish "SNAPSHOT_TAKEN:$WF:build:$(cat <<EOF
{"inside": "a quoted substitution"}
EOF
)"
  cat <<A; cat <<"B" | tee b.json
{"first": "a"}
A
{"second": "b"}
B
  python3 - <<'PY'
print({"skipped": "a program"})
{"skipped": 1}
PY
  cat > other.md <<'MD'
# Title

```json
{"fence": "in a here-document"}
```
MD
  cat > other.sh <<'SH'
#!/bin/sh
echo '{"script": "in a here-document"}'
SH
}

commands() {
  /resource-manager allocate '{
    "workflow_id": "wf_1",
    "resources": {"agents": 2}
  }'
  /coordination-hub checkpoint 'wf_1' "{\"type\":\"manual\"}" | tee log
  answer=$(/workflow-status show "{\"id\":\"$WF\"}")
  /usr/bin/env printf '{"path":"is no component"}'
  case "$1" in
    a) publish 'CASE_A:wf_1:x:{"a":1}' ;;
    (b) x=$(case b in b) echo '{"case":"b"}';; esac) ;;
  esac
  if [ -f x ]; then publish "IF_TAKEN:wf_1:x:{\"n\":1}"; fi
  `echo '{"backquoted": 1}'`
  diff <(echo '{"process": 1}') /dev/null
  list=( '{"item": 1}' '{"item": 2}' )
  bash -c "publish \"INNER_DONE:wf_1:x:{}\""
}

usage() {
  echo "Usage: $0 [options]
  {\"printed\": \"in the middle\"}
LAST_LINE:wf_1:x:{\"printed\":\"too\"}
and done"
}

"QUOTED_COMMAND:wf_1:x:{'like':'in the specification'}"
BARE_COMMAND:wf_1:x:{"like":"in a list"}
{ echo grouped; }
{ "not": "a group" }
