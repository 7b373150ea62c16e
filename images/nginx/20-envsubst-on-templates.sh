#!/bin/sh
# Write each template below /etc/nginx/templates to /etc/nginx/conf.d, with the container's variables put in.
set -eu

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}

[ -d "$templates" ] || exit 0
if [ ! -w "$output" ]; then
  echo "entrypoint: $output is not writable for uid $(id -u), so no template was filled in" >&2
  exit 0
fi

# Only variables that exist: nginx's own, such as $host, look the same and must stay.
# shellcheck disable=SC2016  # awk's own dollars
known=$(awk -v filter="${NGINX_ENVSUBST_FILTER:-}" \
  'BEGIN { for (name in ENVIRON) if (name ~ filter && name ~ /^[A-Za-z_][A-Za-z0-9_]*$/) printf "${%s} ", name }')

find "$templates" -follow -type f -name "*$suffix" | while IFS= read -r template; do
  target=$output/${template#"$templates"/}
  target=${target%"$suffix"}
  mkdir -p "$(dirname "$target")"
  envsubst "$known" <"$template" >"$target"
done
