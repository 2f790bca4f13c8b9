#!/usr/bin/env bash
# Redraws docs/summary.png: a job summary, rendered as GitHub does it (GitHub's style sheet, Mermaid). The text is a snapshot
# that the tests of src/report/summary/mod.rs hold, so nobody waits forty minutes for it.
# docs/picture.sh FOLDER draws the summaries of other runs too, to look at: FOLDER/NAME.png, and NAME-dark.png.
# Installs Debian's chromium, and marked, mermaid and github-markdown-css from npm.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/setup.sh
. tests/setup.sh
need_packages chromium fonts-noto-color-emoji fonts-noto-core imagemagick
command -v npm >/dev/null || need_packages npm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-fund --no-audit --prefix "$work" marked@15 mermaid@11 github-markdown-css@5 >/dev/null

cat >"$work/page.mjs" <<'JS'
import { readFileSync, writeFileSync } from "node:fs";
import { marked } from "marked";
const [, , tests, name, look, target] = process.argv;
const modules = new URL("node_modules/", import.meta.url);
const file = (path) => readFileSync(new URL(path, modules), "utf8");
const snapshot = new RegExp(`fn ${name}\\(\\) \\{\\s+assert_snapshot!\\([^@]+@r?(#*)"\\n([^]*?)\\n {8}"\\1\\);`);
const found = readFileSync(tests, "utf8").match(snapshot);
if (!found) throw new Error(`no snapshot of ${name} in ${tests}`);
const body = marked.parse(found[2].replace(/^ {8}/gm, ""))
  .replace(/<pre><code class="language-mermaid">([\s\S]*?)<\/code><\/pre>/g, '<pre class="mermaid">$1</pre>')
  .replace(/<blockquote>\s*<p>\[!WARNING\](<br>|\s|<\/p>)*([\s\S]*?)<\/blockquote>/g,
    '<div class="markdown-alert markdown-alert-warning"><p class="markdown-alert-title">Warning</p>$2</div>');
const background = look === "dark" ? "#0d1117" : "white";
writeFileSync(target, `<!doctype html><meta charset="utf-8">
<style>${file(`github-markdown-css/github-markdown-${look}.css`)}
  html { background: ${background} } body { margin: 24px; width: 952px }</style>
<article class="markdown-body">${body}</article>
<script>${file("mermaid/dist/mermaid.min.js")}</script>
<script>mermaid.initialize({ startOnLoad: true, theme: "${look === "dark" ? "dark" : "default"}" })</script>`);
JS

# The summary that the test NAME holds, light or dark, as a picture.
draw() { # NAME LOOK PICTURE
  local background=white
  if [ "$2" = dark ]; then background='#0d1117'; fi
  node "$work/page.mjs" src/report/summary/mod.rs "$1" "$2" "$work/page.html"
  chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --user-data-dir="$work/profile" --hide-scrollbars \
    --virtual-time-budget=10000 --window-size=1000,1800 --screenshot="$work/page.png" "file://$work/page.html" 2>/dev/null
  convert "$work/page.png" -trim +repage -bordercolor "$background" -border 24 "$3"
  echo "$3"
}

draw success_after_forty_minutes light docs/summary.png
if [ $# -gt 0 ]; then
  for name in success success_after_forty_minutes dry_run failure published_in_part several_indexes; do
    draw "$name" light "$1/$name.png"
    draw "$name" dark "$1/$name-dark.png"
  done
fi
