import { FormatError } from '#base/errors';
import type { GcPlan } from '#stores/composefs';

/** Version of the plan document; another one is refused. */
const PLAN_VERSION = 1;

/** A plan as a document for a later `applyGc`. */
export function encodeGcPlan(plan: GcPlan): string {
  return `${JSON.stringify({ schemaVersion: PLAN_VERSION, kind: 'gc-plan', ...plan }, null, 2)}\n`;
}

/**
 * Parses what `encodeGcPlan` wrote. A plan only restricts the garbage of a new plan, so a forged plan cannot remove objects in use; its
 * form is validated nevertheless.
 * @param label name of the document in errors
 * @throws FormatError GC_PLAN_INVALID
 */
export function parseGcPlan(text: string, label: string): GcPlan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(label, 'JSON', 'something else', error);
  }
  if (!isRecord(value) || value['kind'] !== 'gc-plan') {
    throw invalid(label, 'a plan of gc --plan', 'another document');
  }
  if (value['schemaVersion'] !== PLAN_VERSION) {
    throw invalid(label, `version ${PLAN_VERSION}`, `${value['schemaVersion']}`);
  }
  for (const [key, isRight] of Object.entries(FORM)) {
    const list = value[key];
    if (!Array.isArray(list) || !list.every(isRight)) {
      throw invalid(label, `a list of ${key}`, 'something else');
    }
  }
  return value as unknown as GcPlan;
}

const isText = (value: unknown): boolean => typeof value === 'string';

/** The keys that applying a plan uses, with the types of their elements. */
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

function invalid(label: string, expected: string, found: string, cause?: unknown): FormatError {
  return new FormatError(
    'GC_PLAN_INVALID',
    `Cannot read plan "${label}": expected ${expected}, found ${found}`,
    { offset: 0, what: label },
    {
      hint: 'Create a new plan with: onecopy gc --plan FILE',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
