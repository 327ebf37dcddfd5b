#!/usr/bin/env bash
# Fetch the third-party assets of the pages again, in the versions that VENDORED.md names.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for package in leaflet@1.9.3 protomaps-leaflet@5.1.0 \
    @geoman-io/leaflet-geoman-free@2.20.2 @fontsource/noto-sans-sc@5.3.0; do
    (cd "$work" && npm pack --silent "$package" >/dev/null)
done
for archive in "$work"/*.tgz; do tar xzf "$archive" -C "$work" --one-top-level="$(basename "$archive" .tgz)"; done
mkdir -p vendor/leaflet/images vendor/leaflet-geoman vendor/protomaps-leaflet vendor/noto-sans-sc/files
leaflet=$(echo "$work"/leaflet-1*/package) pm=$(echo "$work"/protomaps*/package) noto=$(echo "$work"/fontsource*/package)
geoman=$(echo "$work"/geoman-io*/package)
cp "$leaflet"/dist/leaflet.{js,css} "$leaflet"/LICENSE vendor/leaflet/
cp "$leaflet"/dist/images/* vendor/leaflet/images/
cp "$geoman"/dist/leaflet-geoman.css "$geoman"/LICENSE vendor/leaflet-geoman/
cp "$geoman"/dist/leaflet-geoman.min.js vendor/leaflet-geoman/leaflet-geoman.js
cp "$pm"/dist/protomaps-leaflet.js "$pm"/LICENSE vendor/protomaps-leaflet/
cp "$noto"/LICENSE "$noto"/400.css vendor/noto-sans-sc/
cp "$noto"/files/noto-sans-sc-*-400-normal.woff2 vendor/noto-sans-sc/files/
# Only woff2, which every browser in use reads; no source maps, which are not here.
sed -i 's#, url([^)]*\.woff) format(.woff.)##g' vendor/noto-sans-sc/400.css
sed -i '/sourceMappingURL/d' vendor/leaflet/leaflet.js vendor/protomaps-leaflet/protomaps-leaflet.js \
    vendor/leaflet-geoman/leaflet-geoman.{js,css}
# The whole script in one file: the style sheet asks for its parts only.
rm vendor/noto-sans-sc/files/noto-sans-sc-chinese-simplified-400-normal.woff2
# What is here now; `sha256sum -c SHA256SUMS` there checks it, and a test does.
(cd vendor && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS)
