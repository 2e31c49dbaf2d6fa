/**
 * Ctrl-C at several moments of every verb that works through very many entries. What is bounded is processor time after the signal, which
 * does not depend on what else the machine does; `npm run signals` also measures the time that passes.
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { VERBS } from '#work/verbs';
import { interruptAt } from '../support/interrupt.ts';
import { makeMemoryDir, type TempDir } from '../support/temp-dir.ts';
import { makeScenarios, type Scenario } from '../support/verb-scenarios.ts';

/** Enough that a verb which does not let signals act takes several times the bound. */
const ENTRIES = 40_000;
/** Moments at which the signal comes, in milliseconds of processor time since the start: when verbs load, and when they work. */
const MOMENTS_MS = [300, 500, 700];
/** Processor time after the signal, in milliseconds: of all threads, and of leaving. A verb that does not yield takes a second. */
const AFTER_MS = 800;

let scratch: TempDir;
let scenarios: Readonly<Record<string, Scenario>>;

before(async () => {
  scratch = makeMemoryDir();
  scenarios = await makeScenarios(scratch.path, ENTRIES);
});
after(() => scratch[Symbol.dispose]());

test('every verb is interrupted here, or there is a reason', () => {
  deepEqual(Object.keys(scenarios).sort(), VERBS.map(({ name }) => name).sort());
});

for (const { name } of VERBS) {
  test(`${name} ends soon after a signal`, async (context) => {
    const scenario = scenarios[name];
    ok(scenario !== undefined);
    if ('short' in scenario) {
      context.diagnostic(scenario.short);
      return;
    }
    let reached = 0;
    for (const cpuMs of MOMENTS_MS) {
      scenario.prepare?.();
      const found = await interruptAt(scenario.args, { cpuMs });
      if (!found.wasReached) continue;
      reached += 1;
      const said = `after ${cpuMs} ms: ${JSON.stringify(found)}`;
      ok(found.cpuMs <= AFTER_MS, said);
      // A run that prints what it found ends as any other program does; one that was leaving is done.
      if (found.endedBy !== null) equal(found.endedBy, 'SIGINT', said);
      else if (found.status !== 0) {
        equal(found.status, 130, said);
        match(found.stderr, /^onecopy: Interrupted; /);
      }
    }
    ok(reached > 0, 'the verb was done before the first moment');
  });
}
