// Renders the display formulas of the documentation: after a change of one, run
//     npm install --no-save temml && node .ci/formulas.mjs
// A formula is a comment in the documentation, `<!-- math`, LaTeX (Unicode letters welcome) and
// `-->`, and below it the inclusion of a file of src/math, which this script writes. The test
// `documents` holds that each file belongs to the formula above its inclusion.
//
// MathML, because every browser of today shows it by itself: no script and no download, neither
// on docs.rs nor in `cargo doc` on a machine without a network.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import temml from 'temml';

const formula = /^ *\/\/[/!] <!-- math\n((?: *\/\/[/!].*\n)+?) *\/\/[/!] -->\n *#!?\[doc = include_str!\("(.*)"\)\]/gm;
const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const sources = readdirSync('src', { recursive: true }).filter((name) => name.endsWith('.rs'));
for (const name of sources) {
  const file = join('src', name);
  for (const [, body, target] of readFileSync(file, 'utf8').matchAll(formula)) {
    const latex = body.replaceAll(/^ *\/\/[/!] ?/gm, '').trim();
    const math = temml
      .renderToString(latex, { displayMode: true, throwOnError: true })
      // Without temml's style sheet: what it would say matters in these three places.
      .replaceAll('class="tml-right" style="', 'style="text-align: right;')
      .replaceAll('class="tml-left" style="', 'style="text-align: left;')
      .replaceAll('class="tml-overline"', 'style="padding-top: 0.1em; border-top: 0.065em solid"')
      .replaceAll(/ class="[^"]*"/g, '')
      .replace(/<math [^>]*>/, '<math display="block"><semantics>')
      .replace('</math>', `<annotation encoding="application/x-tex">${escape(latex)}</annotation></semantics></math>`);
    writeFileSync(join(dirname(file), target), `<div style="overflow-x: auto; margin: 1em 0">${math}</div>\n`);
  }
}
