import { readFile } from 'node:fs/promises';
import { gatesOfKeys, parseTarget, readKeyFile, type TrustPolicy } from '#work/pull-commit';
import { flag, textOption } from '../context.ts';
import { UsageError } from '../output.ts';

/** The trust policy that options name: keys by hand, bindings, order of time. */
export async function trustOptions(
  options: Readonly<Record<string, unknown>>,
  base: TrustPolicy = {},
): Promise<TrustPolicy> {
  const keyrings = listOf(options['gpgKey']).map(readKeyFile);
  const keys = await Promise.all(listOf(options['signKey']).map(keyText));
  const gates = await gatesOfKeys(keyrings, keys);
  const { commitGates = [], summaryGates = [] } = base;
  const collectionId = textOption(options, 'collection') ?? base.collectionId;
  return {
    ...base,
    commitGates: [...commitGates, ...gates],
    summaryGates: flag(options, 'verifySummary') ? [...summaryGates, ...gates] : summaryGates,
    collectionId,
    ...(options['verifyBindings'] === false ? { verifyBindings: false } : {}),
    ...timestampOption(options),
    ...(flag(options, 'acceptExpired') ? { acceptExpired: true } : {}),
  };
}

function timestampOption(
  options: Readonly<Record<string, unknown>>,
): Pick<TrustPolicy, 'notOlderThan'> {
  const from = textOption(options, 'timestampCheckFrom');
  if (from === undefined) return flag(options, 'timestampCheck') ? { notOlderThan: 'current' } : {};
  const { commit } = /^[0-9a-f]{64}$/.test(from) ? parseTarget(from) : { commit: undefined };
  if (commit !== undefined) return { notOlderThan: commit };
  throw new UsageError(
    `Cannot read --timestamp-check-from: expected a commit id of 64 digits, found "${from}"`,
  );
}

/** A key given as text, or the file that holds it. */
async function keyText(key: string): Promise<string> {
  return /^[A-Za-z0-9+/]{43}=$/.test(key) ? key : await readFile(key, 'latin1');
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}
