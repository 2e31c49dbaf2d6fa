import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { FormatError } from '#base/errors';
import type { GcPlan } from '#work/check';
import { UsageError } from '../output.ts';

/** Version of the plan file; another one is refused. */
const PLAN_VERSION = 1;

/** Writes a plan for a later `gc --apply`; an existing file is never replaced. @throws UsageError */
export function writePlan(path: string, plan: GcPlan): void {
  const text = `${JSON.stringify({ schemaVersion: PLAN_VERSION, kind: 'gc-plan', ...plan }, null, 2)}\n`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  let fd: number;
  try {
    fd = openSync(path, flags, 0o644);
  } catch (error) {
    throw new UsageError(`Cannot write plan "${path}": ${messageOf(error)}`);
  }
  try {
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads a plan that `gc --plan` wrote. It only ever narrows what a fresh look finds to be garbage, so a forged one removes nothing
 * that is in use; its form is checked all the same.
 * @throws UsageError when it cannot be read; FormatError GC_PLAN_INVALID
 */
export function readPlan(path: string): GcPlan {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(`Cannot read plan "${path}": ${messageOf(error)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, 'JSON', 'something else', error);
  }
  if (!isRecord(value) || value['kind'] !== 'gc-plan') {
    throw invalid(path, 'a plan of gc --plan', 'another document');
  }
  if (value['schemaVersion'] !== PLAN_VERSION) {
    throw invalid(path, `version ${PLAN_VERSION}`, `${value['schemaVersion']}`);
  }
  for (const [key, isRight] of Object.entries(FORM)) {
    const list = value[key];
    if (!Array.isArray(list) || !list.every(isRight)) {
      throw invalid(path, `a list of ${key}`, 'something else');
    }
  }
  return value as unknown as GcPlan;
}

const isText = (value: unknown): boolean => typeof value === 'string';

/** Keys that applying a plan uses, and what their elements must be. */
const FORM: Readonly<Record<string, (value: unknown) => boolean>> = {
  objects: (value) =>
    isRecord(value) && isText(value['id']) && Number.isSafeInteger(value['sizeBytes']),

  links: (value) => isRecord(value) && isText(value['path']),
  leftovers: isText,
  roots: isText,
  findings: isRecord,
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function invalid(path: string, expected: string, found: string, cause?: unknown): FormatError {
  return new FormatError(
    'GC_PLAN_INVALID',
    `Cannot read plan "${path}": expected ${expected}, found ${found}`,
    { offset: 0, what: path },
    {
      hint: 'Make a new one with: onecopy gc --plan FILE',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
