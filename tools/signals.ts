/**
 * Sends SIGINT to every verb that works through very many entries, at several moments of its work, and prints how long it then takes to end.
 * Run by `npm run signals [-- VERB…] [--entries N] [--tries N]`. Of several tries at a moment the quickest counts: what the program does takes
 * its time in each of them, what else the machine does not.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packedOnecopy } from '../bench/packed.ts';
import { type Interrupted, interruptAt } from '../test/support/interrupt.ts';
import { makeScenarios, type Scenario } from '../test/support/verb-scenarios.ts';

/** The most that an answer to a signal may take, in milliseconds. */
const BOUND_MS = 100;
/** Processor time between two moments, in milliseconds. */
const STEP_MS = 80;
const MOMENTS_MAX = 60;

/** A verb that takes long. */
type Run = Extract<Scenario, { readonly args: unknown }>;

/** Interrupts a verb at one moment after the other, until it is done before the moment comes. */
async function interruptEverywhere(
  { args, prepare }: Run,
  program: string,
  tries: number,
): Promise<readonly Interrupted[]> {
  const found: Interrupted[] = [];
  for (let moment = 1; moment <= MOMENTS_MAX; moment += 1) {
    let quickest: Interrupted | undefined;
    for (let left = tries; left > 0; left -= 1) {
      prepare?.();
      const one = await interruptAt(args, { cpuMs: moment * STEP_MS }, program);
      if (!one.wasReached) return found;
      if (quickest === undefined || one.wallMs < quickest.wallMs) quickest = one;
      // More tries would only confirm it.
      if (quickest.wallMs <= BOUND_MS) break;
    }
    if (quickest !== undefined) found.push(quickest);
  }
  return found;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    entries: { type: 'string', default: '100000' },
    tries: { type: 'string', default: '5' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'onecopy-signals-'));
const say = (line: string) => process.stdout.write(`${line}\n`);
try {
  const program = packedOnecopy();
  const scenarios = await makeScenarios(folder, Number(values.entries));
  say('| verb | moments | longest, ms | of them processor time, ms | |');
  say('|---|---|---|---|---|');
  for (const [name, scenario] of Object.entries(scenarios)) {
    const isWanted = positionals.length === 0 || positionals.includes(name);
    if ('short' in scenario || !isWanted) continue;
    const found = await interruptEverywhere(scenario, program, Number(values.tries));
    const longest = Math.max(...found.map(({ wallMs }) => wallMs));
    const cpu = Math.max(...found.map(({ cpuMs }) => cpuMs));
    const verdict = longest <= BOUND_MS ? 'met' : 'missed';
    say(`| ${name} | ${found.length} | ${longest.toFixed(0)} | ${cpu} | ${verdict} |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
