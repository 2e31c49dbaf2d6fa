import { FormatError } from '#base/errors';
import { TRUST_DOCUMENT_MAX_BYTES } from './layout.ts';
import { type Requirement, readRequirement } from './requirement.ts';
import { isScopeOf } from './scopes.ts';
import { StrictField } from './strict-field.ts';
import { parseStrictJson } from './strict-json.ts';

/** A whole policy.json. */
export interface Policy {
  /** Path of the file, for messages. */
  readonly file: string;
  readonly byDefault: readonly Requirement[];
  /** Transport to scope to requirements. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, readonly Requirement[]>>;
}

/** The requirements for an image, and the scope that selected them. */
export interface PolicyRule {
  readonly file: string;
  /** `docker "registry.example/team"`, or `default`. */
  readonly scope: string;
  readonly requirements: readonly Requirement[];
}

/**
 * Parses a whole policy.json: an error in an unused scope also refuses it. Source: containers-policy.json(5); each refusal was recorded with
 * skopeo 1.22.
 * @throws FormatError POLICY_INVALID with file, field and offset
 */
export function parsePolicy(file: string, bytes: Uint8Array): Policy {
  const fail = (offset: number, what: string, expected: string, found: string): never => {
    throw new FormatError(
      'POLICY_INVALID',
      `Cannot read policy "${file}"${what === '' ? '' : ` at ${what}`}: expected ${expected}, found ${found}`,
      { offset, what: what === '' ? file : what, file, expected, found, class: 'policy-invalid' },
    );
  };
  if (bytes.length > TRUST_DOCUMENT_MAX_BYTES) {
    fail(0, '', `at most ${TRUST_DOCUMENT_MAX_BYTES} bytes`, `${bytes.length}`);
  }
  const text = decodeText(bytes) ?? fail(0, '', 'UTF-8', 'other bytes');
  const value = parseStrictJson(text, (offset, expected, found) =>
    fail(offset, `line ${lineOf(text, offset)}`, expected, found),
  );
  const root = new StrictField(value, '', (path, expected, found) =>
    fail(0, path, expected, found),
  );
  const members = root.object(['default', 'transports']);
  const byDefault = members('default').list().map(readRequirement);
  const transports = members('transports');
  return {
    file,
    byDefault,
    transports: new Map(transports.isAbsent ? [] : transports.entries().map(readTransport)),
  };
}

/** The rule for an image: the first of its scopes in the policy, else the transport's own, else the default. Rules are not combined. */
export function findRule(policy: Policy, transport: string, scopes: readonly string[]): PolicyRule {
  const known = policy.transports.get(transport);
  for (const scope of [...scopes, '']) {
    const requirements = known?.get(scope);
    if (requirements === undefined) continue;
    return { file: policy.file, scope: `${transport} "${scope}"`, requirements };
  }
  return { file: policy.file, scope: 'default', requirements: policy.byDefault };
}

function readTransport([transport, field]: readonly [string, StrictField]): readonly [
  string,
  ReadonlyMap<string, readonly Requirement[]>,
] {
  const scopes = field.entries().map(([scope, requirements]) => {
    if (!isScopeOf(transport, scope)) field.fail(`scopes of ${transport}:`, `"${scope}"`);
    return [scope, requirements.list().map(readRequirement)] as const;
  });
  return [transport, new Map(scopes)];
}

/** Undefined for bytes that are not UTF-8. A byte order mark is kept, and is not valid JSON. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // The only possible failure.
  }
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
