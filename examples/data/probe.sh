#!/bin/sh
# Gets URLs by name and answers with the status of each: {"a": "http://10.0.0.11/"} with {"a": "200"}; "000" is none.
sep="{"
for pair in $(tr -d '{} ' | tr , '\n'); do
	url=${pair#*:}
	printf '%s%s: "%s"' "$sep" "${pair%%:*}" "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$(echo "$url" | tr -d '"')")"
	sep=", "
done
echo "}"
