import { deepEqual } from 'node:assert/strict';
import * as v from 'valibot';
import { VERBS, type VerbContext } from '#work/verbs';

/** A report as JSON. */
export type Json = { readonly [key: string]: unknown };

/** Runs or plans a verb in this process. @returns its report as JSON, which must be all that its schema says */
export async function askVerb(
  step: 'plan' | 'run',
  name: string,
  context: VerbContext,
  request: unknown,
): Promise<Json> {
  const verb = await VERBS.find((row) => row.name === name)?.load();
  const act = verb?.[step]?.bind(verb);
  if (verb === undefined || act === undefined) throw new Error(`no verb ${name} that can ${step}`);
  const report = await act(context, verb.parse(request));
  const said: unknown = JSON.parse(JSON.stringify(report));
  deepEqual(v.parse(verb.report, said), said, `${name} says what its schema does not know`);
  return said as Json;
}

/** A context that is told nothing and interrupts nothing. */
export function quietContext(repository: string, more: Partial<VerbContext> = {}): VerbContext {
  return {
    repository: { path: repository },
    signal: new AbortController().signal,
    onProgress: () => {},
    jobs: 1,
    mayInit: true,
    requireVerity: false,
    warn: () => {},
    detail: () => {},
    write: async () => {},
    ...more,
  };
}
