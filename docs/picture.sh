#!/usr/bin/env bash
# Redraws docs/summary.png: the job summary of the demo's run, rendered as GitHub does it (GitHub's style sheet, Mermaid).
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
SUMMARY=$work/summary.md examples/demo.sh >/dev/null

cat >"$work/page.mjs" <<'JS'
import { readFileSync, writeFileSync } from "node:fs";
import { marked } from "marked";
const [, , source, target] = process.argv;
const modules = new URL("node_modules/", import.meta.url);
const file = (path) => readFileSync(new URL(path, modules), "utf8");
const body = marked.parse(readFileSync(source, "utf8"))
  .replace(/<pre><code class="language-mermaid">([\s\S]*?)<\/code><\/pre>/g, '<pre class="mermaid">$1</pre>');
writeFileSync(target, `<!doctype html><meta charset="utf-8">
<style>${file("github-markdown-css/github-markdown-light.css")} body { margin: 24px; width: 952px }</style>
<article class="markdown-body">${body}</article>
<script>${file("mermaid/dist/mermaid.min.js")}</script><script>mermaid.initialize({ startOnLoad: true })</script>`);
JS
node "$work/page.mjs" "$work/summary.md" "$work/page.html"
chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
  --disable-component-update --disable-sync --user-data-dir="$work/profile" --hide-scrollbars \
  --virtual-time-budget=10000 --window-size=1000,1200 --screenshot="$work/page.png" "file://$work/page.html" 2>/dev/null
convert "$work/page.png" -trim -bordercolor white -border 24 docs/summary.png
echo "docs/summary.png"
