/**
 * Ctrl-C in the middle of every verb that works through very many entries. What is bounded is processor time after the signal, which
 * depends little on what else the machine does; `npm run signals` sends it at many moments, and measures the time that passes.
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { VERBS } from '#work/verbs';
import { interruptAt } from '../support/interrupt.ts';
import { makeMemoryDir, type TempDir } from '../support/temp-dir.ts';
import { makeScenarios, type Scenario } from '../support/verb-scenarios.ts';

/** Enough that a verb which does not let signals act takes several times the bound. */
const ENTRIES = 40_000;
/** When the signal comes: at this part of the processor time of a whole run, when the verb works. */
const MOMENT = 0.6;
/** Processor time after the signal, in milliseconds: of all threads, and of leaving. */
const AFTER_MS = 400;

let scratch: TempDir;
let scenarios: Readonly<Record<string, Scenario>>;

before(async () => {
  scratch = makeMemoryDir();
  scenarios = await makeScenarios(scratch.path, ENTRIES);
});
after(() => scratch[Symbol.dispose]());

test('every verb is interrupted here, or listed with a reason', () => {
  deepEqual(Object.keys(scenarios).sort(), VERBS.map(({ name }) => name).sort());
});

for (const { name } of VERBS) {
  test(`${name} ends promptly after a signal`, async (context) => {
    const scenario = scenarios[name];
    ok(scenario !== undefined);
    if ('short' in scenario) {
      context.diagnostic(scenario.short);
      return;
    }
    scenario.prepare?.();
    const whole = await interruptAt(scenario.args, { cpuMs: Number.POSITIVE_INFINITY });
    equal(whole.status, 0, whole.stderr);
    scenario.prepare?.();
    const found = await interruptAt(scenario.args, { cpuMs: whole.usedMs * MOMENT });
    const said = `of ${whole.usedMs} ms: ${JSON.stringify(found)}`;
    // A run that prints what it found ends as any other program does; one that was leaving is done.
    if (found.endedBy !== null) equal(found.endedBy, 'SIGINT', said);
    else if (found.status !== 0) {
      equal(found.status, 130, said);
      match(found.stderr, /^onecopy: Interrupted; /m);
    }
    ok(found.cpuMs <= AFTER_MS, said);
    context.diagnostic(said);
  });
}
