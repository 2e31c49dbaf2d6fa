/**
 * Runs the benches, each beside its peers in the same run, prints the ratios and writes `docs/benchmarks.md`.
 *
 * As root on Debian it first installs the peers that Debian has, and the libraries that make us faster, unless ONECOPY_NO_INSTALL=1.
 *
 * Usage: npm run bench [-- NAME…] [--rounds N] [--quick]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { tryOpenInflater, tryOpenLaneHash } from '#host';
import { ensureHostTools } from '../tools/host-tools.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';

const BENCHES: readonly (() => Promise<{ bench: Bench }>)[] = [
  () => import('./fsverity.ts'),
  () => import('./mkcomposefs.ts'),
  () => import('./pull.ts'),
  () => import('./registry.ts'),
  () => import('./startup.ts'),
  () => import('./ostree.ts'),
  () => import('./scale.ts'),
  () => import('./df.ts'),
  () => import('./containers.ts'),
  () => import('./chunked.ts'),
  () => import('./commits.ts'),
  () => import('./unified.ts'),
  () => import('./compose.ts'),
];
const PAGE = new URL('../docs/benchmarks.md', import.meta.url);

function line(row: Row): string {
  const met = row.higherIsBetter === true ? row.ratio >= row.goal : row.ratio <= row.goal;
  const sign = row.higherIsBetter === true ? '≥' : '≤';
  return `| ${row.what} | ${row.peer} | ${row.ratio.toFixed(3)} | ${sign} ${row.goal} | ${met ? 'met' : 'missed'} | ${row.detail} |`;
}

function page(sections: ReadonlyMap<string, readonly string[]>): string {
  const body = [...sections].flatMap(([name, lines]) => [`## ${name}`, '', ...lines, '']);
  return ['# Benchmarks', '', ...HEADER, '', ...body].join('\n');
}

const HEADER = [
  'Written by `npm run bench`; each section by the run that its last line names. Ratios are medians over rounds in which',
  'we and the peer ran in turn on the same machine; below 1 means faster than the peer. Only ratios travel between machines.',
];

/** Sections of the page as it stands, by name, so that a run of some benches keeps the others. */
function sectionsOf(text: string): Map<string, string[]> {
  const sections = new Map<string, string[]>();
  for (const part of text.split(/^## /m).slice(1)) {
    const [name = '', ...lines] = part.trimEnd().split('\n');
    sections.set(name, lines.slice(1));
  }
  return sections;
}

/** What of the host made us faster than we are everywhere. */
function libraries(): string {
  const names = [
    ...(tryOpenLaneHash('sha512') === undefined ? [] : ['libIPSec_MB']),
    ...(tryOpenInflater() === undefined ? [] : ['libisal']),
  ];
  return names.length === 0 ? 'without libraries of the host' : `with ${names.join(' and ')}`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      quick: { type: 'boolean', default: false },
    },
  });
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const options: BenchOptions = { rounds: Number(values.rounds), quick: values.quick, say };
  let text = '';
  try {
    text = readFileSync(PAGE, 'utf8');
  } catch {}
  if (process.env['ONECOPY_NO_INSTALL'] !== '1') ensureHostTools();
  const sections = sectionsOf(text);
  for (const load of BENCHES) {
    const { bench } = await load();
    if (positionals.length > 0 && !positionals.includes(bench.name)) continue;
    say(`== ${bench.name}`);
    const rows = (await bench.run(options)).map(line);
    for (const row of rows) say(row);
    const cpu = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`;
    sections.set(bench.name, [
      '| what | peer | ratio | goal | | detail |',
      '|---|---|---|---|---|---|',
      ...rows,
      '',
      `${new Date().toISOString().slice(0, 10)}, ${cpu}, Node ${process.versions.node}, ${libraries()}, ${options.rounds} rounds.`,
    ]);
  }
  if (!options.quick) writeFileSync(PAGE, page(sections));
}

if (import.meta.main) await main();
